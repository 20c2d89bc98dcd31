"""The order desk's processes, one file each."""
