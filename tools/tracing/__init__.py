"""trace-job's parts: main (options, the run), client (a supervisor and its messages), show (lines and tables), page (HTML)."""
