"""trace-job's parts: main (options, the run), client (a supervisor and its messages), show (lines and tables), page (HTML),
learn (rounds of --learn), uses (what calls used), facts (what policies say), policy (what was learned, as a file)."""
