"""fixturepipe beside what else a user would take: `python -m bench`, or `make bench`.

Whole processes in turn (A B C A B C …), medians and ratios, time by the clock, processor time and
memory by the operating system's accounting. Nothing here passes or fails by a time.

    __main__     the options, what is printed
    sections     what is compared: run, dump, load, arrange, check, verify, scaling
    contest      contestants in turn, each on fresh ground
    contestants  their command lines
    copier       sqlite3-to-mysql, in an environment of its own
    infile       LOAD DATA LOCAL INFILE from SQLite, as a program: the limit
    items        a bare loop of ijson over a file, as a program
    samples      the sample's SQLite file; fixtures to arrange
    servers      the servers, and fresh databases on them
    measuring    one process, measured by the small `launcher`
    results      results.json; `page` and `plot` show it
"""
