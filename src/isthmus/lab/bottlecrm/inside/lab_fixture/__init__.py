"""An app beside BottleCRM's own that adapts it to one machine."""
