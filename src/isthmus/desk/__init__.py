"""The order desk: processes across systems in which people take part, and what they share (approvals, notices)."""
