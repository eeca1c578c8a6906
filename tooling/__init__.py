"""What runs the course and teaches nothing: commands, book, exercises, page, measurements."""
