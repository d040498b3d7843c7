"""Public Django sites from PyPI, filled with rows and moved by fixturepipe, judged by other code.

    python -m bench.sites DIRECTORY --target mysql://root:root@127.0.0.1:3306/

`recipes` names the sites, with the lists in `applications`. `building` installs one and fills its
SQLite file (with `filler`, which runs in the site's own environment), `trial` moves it to a server,
`comparison` reads both databases without Django, and `page` writes docs/sites.md.
"""
