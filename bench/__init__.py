"""fixturepipe compared with the alternatives: `python -m bench`, or `make bench`.

Contestants run in turn (A B C A B C …) as whole processes. The results are medians and ratios of
wall-clock time, and of processor time and memory as the operating system accounts for them. No
time makes anything here pass or fail.

    __main__     the options, what is printed
    sections     what is compared: run, dump, load, arrange, check, verify, scaling
    contest      contestants in turn, each in a fresh place
    contestants  their command lines
    copier       sqlite3-to-mysql, in an environment of its own
    infile       LOAD DATA LOCAL INFILE from SQLite, as a program: the limit
    items        a bare loop of ijson over a file, as a program
    samples      the sample's SQLite file; fixtures to arrange
    servers      the servers, and fresh databases on them
    measuring    one process, measured by the small `launcher`
    results      results.json; `page` and `plot` show it
"""
