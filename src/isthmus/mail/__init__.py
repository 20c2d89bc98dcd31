"""Mail: composing notices, sending them by SMTP, reading bounces by IMAP."""
