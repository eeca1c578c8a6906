"""What runs the course and teaches nothing: its commands, book, exercises, page and measurements."""
