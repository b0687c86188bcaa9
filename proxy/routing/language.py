"""Which language a request is in: by script, else by the small words of it. Pure."""

from typing import Final

from proxy.domain.labels import Label, Origin
from proxy.domain.reading import Reading, Role

UNDETERMINED: Final = "und"
SAMPLE_CHARS: Final = 180
MIN_SMALL_WORDS: Final = 2

_SMALL_WORDS = {
    "en": "the and is are was of to in that it for on with you this be have not what how "
    "can my does did which from at by an or if why who i we they do your about please "
    "a",
    "de": "der die das und ist nicht ein eine einen mit für auf dem den des im von zu sich "
    "ich wir sie es wie was kann bitte oder aber auch nach bei mein meine diese "
    "dieser als wird alle",
    "fr": "le la les et est un une des du de que qui pas pour dans sur avec ce cette il "
    "elle je nous vous au aux ou mais comment quel quelle ne se sont mon ma mes par "
    "peux ces",
    "es": "el la los las y es un una de que en no por para con se lo su al del como qué "
    "cómo más pero mi este esta estos cuál son si yo puedes fue hay entre",
    "it": "il lo la gli le e è un una di che non per con si del della dei nel come cosa mi "
    "questo questa sono ho più ma anche in al dal quali tutti oggi",
    "pt": "o a os as e é um uma de que não para com se do da dos das no na como por mais "
    "mas eu você seu sua este esta são foi em ao qual meu ou",
    "nl": "de het een en is van niet dat in op te met voor zijn ik je wat hoe die er aan om "
    "maar ook bij mijn deze dit of naar uit wordt geef moet nu",
    "pl": "i w z na do nie to jest się że jak co czy dla od po ten ta te tego proszę mi "
    "jego przez",
    "sv": "och att det är en ett som på av för med inte den till har jag vi de hur vad kan "
    "om från",
}  # fmt: skip
_SCRIPTS = (
    (0x3040, 0x30FF, "ja"),
    (0xAC00, 0xD7AF, "ko"),
    (0x0400, 0x04FF, "ru"),
    (0x0370, 0x03FF, "el"),
    (0x0590, 0x05FF, "he"),
    (0x0600, 0x06FF, "ar"),
    (0x0900, 0x097F, "hi"),
    (0x0E00, 0x0E7F, "th"),
    (0x4E00, 0x9FFF, "zh"),
)
_MARKS = {"ß": "de", "ñ": "es", "¿": "es", "¡": "es", "ã": "pt", "õ": "pt", "ł": "pl", "ę": "pl",
          "ą": "pl", "å": "sv"}  # fmt: skip


def _languages_of_words() -> dict[bytes, tuple[str, ...]]:
    found: dict[bytes, list[str]] = {}
    for language, words in _SMALL_WORDS.items():
        for word in words.split():
            found.setdefault(word.encode(), []).append(language)
    return {word: tuple(languages) for word, languages in found.items()}


_LANGUAGES_OF: Final = _languages_of_words()
_PUNCTUATION: Final = b".,;:!?\"()[]{}'/*#`<>=|"
_SPACED: Final = bytes.maketrans(_PUNCTUATION, b" " * len(_PUNCTUATION))
"""Bytes are quicker to take apart than text, and small words are the same in UTF-8."""

_NO_LANGUAGE: Final = Label(UNDETERMINED, Origin.DEFAULT, 0.0)


def language_of(reading: Reading) -> Label[str]:
    """The language of the last user message, by its start; `und` where too little speaks."""
    text = reading.last_of(Role.USER)[:SAMPLE_CHARS]
    if not text.isascii() and (script := _script_of(text)) is not None:
        return Label(script, Origin.RULE, 0.95)
    return _by_small_words(text)


def _script_of(text: str) -> str | None:
    """The language of a script that at least a third of the letters of *text* are in."""
    letters = [ord(char) for char in text if char.isalpha()]
    counts: dict[str, int] = {}
    for letter in letters:
        if letter >= 0x0370:
            for first, last, language in _SCRIPTS:
                if first <= letter <= last:
                    counts[language] = counts.get(language, 0) + 1
                    break
    if not counts or sum(counts.values()) * 3 < len(letters):
        return None
    if counts.get("ja", 0) * 5 >= counts.get("zh", 0) and "ja" in counts:
        return "ja"  # kana among Chinese signs
    return max(counts, key=lambda language: (counts[language], language))


def _by_small_words(text: str) -> Label[str]:
    """By the words of *text* but for addresses, whose parts (`com`, `de`) are small words too."""
    counts: dict[str, float] = {}
    if "@" in text or "://" in text:
        text = " ".join([word for word in text.split() if "@" not in word and "://" not in word])
    words = text.lower().encode().translate(_SPACED).split()
    for languages in filter(None, map(_LANGUAGES_OF.get, words)):
        for language in languages:
            counts[language] = counts.get(language, 0.0) + 1.0
    if not text.isascii():
        for mark, language in _MARKS.items():
            if mark in text:
                counts[language] = counts.get(language, 0.0) + 1.5
    first = max(counts, key=counts.__getitem__, default=UNDETERMINED)
    most = counts.pop(first, 0.0)
    second = max(counts.values(), default=0.0)
    if most < MIN_SMALL_WORDS or most == second:
        return _NO_LANGUAGE
    sure = round(min(0.95, 0.5 + 0.5 * (most - second) / most), 2)
    return Label(first, Origin.RULE, sure)
