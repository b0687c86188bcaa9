"""Languages: by script, by small words, or not at all."""

import pytest
from hunting import a_reading

from proxy.domain.labels import Origin
from proxy.domain.reading import Reading
from proxy.routing.language import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the capital of France and how do I get there?", "en"),
        ("Bitte fasse den folgenden Text für mich zusammen.", "de"),
        ("Peux-tu résumer ce texte pour moi dans les grandes lignes ?", "fr"),
        ("¿Qué me recomiendas ver en Sevilla con los niños?", "es"),
        ("Puoi scrivere una lettera per il mio capo?", "it"),
        ("Você pode fazer um resumo dos pontos principais?", "pt"),
        ("Geef een samenvatting van het artikel in de krant.", "nl"),
        ("Jak to jest po polsku i co to znaczy?", "pl"),
        ("Vad är det för väder i dag och hur är det i morgon?", "sv"),
        ("次のレビューは肯定的ですか", "ja"),
        ("请写一个快速排序函数", "zh"),
        ("안녕하세요 반갑습니다", "ko"),
        ("Привет, как дела?", "ru"),
        ("Γειά σου κόσμε", "el"),
        ("שלום עולם", "he"),
        ("مرحبا بالعالم", "ar"),
        ("नमस्ते दुनिया", "hi"),
        ("สวัสดีชาวโลก", "th"),
        ("straße ßß ich", "de"),
        ("", "und"),
        ("42", "und"),
        ("kubernetes deployment", "und"),
        ("the", "und"),
        ("the und die and", "und"),
        ("Mail ann@example.com a summary", "und"),
        ("Summarize https://de.example.com/die/das for the board of it", "en"),
        ("ⴰⵣⵓⵍ ⴰⵎⴰⴹⴰⵍ", "und"),
        ("What does 猫 mean in the text of the book?", "en"),
    ],
)
def test_language_is_told_or_not(text: str, language: str) -> None:
    """Common languages are told by a sentence; what is too short or mixed is not."""
    found = language_of(a_reading(text))

    assert found.value == language
    assert (found.origin is Origin.DEFAULT) == (language == "und")
    assert 0 <= found.confidence <= 0.95


def test_last_user_message_counts() -> None:
    """What somebody asks now is what is answered."""
    assert (
        language_of(a_reading("What is the weather?", "Was ist das für ein Wetter?")).value == "de"
    )
    assert language_of(Reading(a_reading("x").endpoint, ())).value == "und"
