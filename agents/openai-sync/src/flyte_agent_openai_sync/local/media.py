"""Images and sounds that can be looked at and heard, the same for the same request."""

from __future__ import annotations

import array
import base64
import hashlib
import io
import math
import wave

_RATE = 8000
_CHUNK = b"note"
"""The text of a recording is kept in a chunk of its own, so that it can be written down again."""


def image(prompt: str, size: str, image_format: str) -> str:
    """Return a picture of the prompt's words on a colour of their own, as base64."""
    from PIL import Image, ImageDraw

    width, height = (int(part) for part in size.split("x")) if "x" in size else (1024, 1024)
    digest = hashlib.blake2b(prompt.encode(), digest_size=3).digest()
    picture = Image.new("RGB", (width // 4, height // 4), tuple(64 + part // 2 for part in digest))
    draw = ImageDraw.Draw(picture)
    draw.multiline_text((8, 8), _lines(prompt), fill="white")
    content = io.BytesIO()
    picture.save(content, format=image_format)
    return base64.b64encode(content.getvalue()).decode("ascii")


def _lines(text: str) -> str:
    words, lines = text.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 36:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines[:20])


def speech(text: str) -> bytes:
    """Return a WAV file: a tone for each letter, and the text itself beside them."""
    samples = array.array("h")
    for letter in text[:400]:
        pitch = 0.0 if letter.isspace() else 200.0 + (ord(letter) % 64) * 12
        samples.extend(
            int(6000 * math.sin(2 * math.pi * pitch * n / _RATE)) for n in range(_RATE // 20)
        )
    content = io.BytesIO()
    with wave.open(content, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_RATE)
        sound.writeframes(samples.tobytes())
    raw = text.encode()
    made = (
        content.getvalue() + _CHUNK + len(raw).to_bytes(4, "little") + raw + b"\0" * (len(raw) % 2)
    )
    return made[:4] + (len(made) - 8).to_bytes(4, "little") + made[8:]


def transcript(content: bytes) -> tuple[str, float]:
    """Return what is said in a recording of this machine's, and its length in seconds."""
    if content[:4] != b"RIFF":
        return f"A recording of {len(content)} bytes.", 0.0
    with wave.open(io.BytesIO(content)) as sound:
        length_s = sound.getnframes() / sound.getframerate()
    at = content.rfind(_CHUNK)
    if at < 0:
        return f"A recording of {length_s:.1f} seconds.", length_s
    size = int.from_bytes(content[at + 4 : at + 8], "little")
    return content[at + 8 : at + 8 + size].decode("utf-8", "replace"), length_s
