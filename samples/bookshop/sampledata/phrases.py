"""Words of the sample: many scripts, quotes, line ends and emoji.

None of them is used alone where a column is unique: a database that takes é for
e must still see two values.
"""

FIRST_NAMES = (
    "Ada", "Émile", "Zoë", "Jürgen", "Søren", "Łucja", "Iñigo", "Noor", "Олена",
    "王芳", "さくら", "Mary Ann", "Sinéad", "Björk", "Ngozi", "Dvořák",
)  # fmt: skip
LAST_NAMES = (
    "Lovelace", "Zola", "O'Brien", "Müller", "Kierkegaard", "Nowak", "van der Berg",
    "Шевченко", "García Márquez", "D’Angelo", "Smith-Jones", "Çelik", "Ó Súilleabháin",  # noqa: RUF001 - meant so
)  # fmt: skip
ADJECTIVES = (
    "Silent", "Last", "Crooked", "Invisible", "Blue", "Naïve", "Thousandth", "Hollow",
    "Große", "Wandering", "Half-Read", "Second-Hand",
)  # fmt: skip
NOUNS = (
    "Garden", "Lighthouse", "Librarian", "Café", "River", "Cat 🐈", "Atlas", "Voyage",
    "Typewriter", "Winter", "Bibliothèque", "Index", "Map",
)  # fmt: skip
PLACES = (
    "Vienna", "Kraków", "São Paulo", "Århus", "Kyōto", "Åland", "Nowhere", "Tromsø",
    "İzmir", "Reykjavík",
)  # fmt: skip
CITIES = ("Vienna", "Graz", "Linz", "Győr", "Brno", "St. Pölten")
SENTENCES = (
    "A book one does not lend.",
    'She said: "read it twice", and he did.',
    "It's the reader's fault, isn't it?",
    "First line\nsecond line\r\nthird line",
    "\tIndented, with a tab and a back\\slash",
    "Emoji that need four bytes: 📚😀 and joined ones: 👩‍👩‍👧 🏳️‍🌈",
    "Œuvre complète — «à lire» …",
    "Слово за словом.",
    "本を読む。",
    "قراءة ممتعة",
    "100 % of 'readers'; DROP TABLE readers; --",
    "Decomposed: Cafe\u0301; composed: Caf\u00e9",
    "<b>Bold</b> &amp; {braces} %s %(name)s",
    "Trailing spaces  ",
    '["not", "a", "natural key"]',
    "null",
    "",
)
HEADLINES = (
    "Loved it ❤️",
    "Not for me",
    'Five "stars"',
    "Très bien !",
    "Could not put it down",
    "¿Por qué?",
    "Meh…",
)
GIFT_TEXTS = ("", "", "", "", "", "Happy birthday 🎂!", "Für Oma,\nmit Liebe", "It's yours")
REASONS = ("", "Sale", "New edition", "Supplier's price rose", "Misprint: 0,99 €")
