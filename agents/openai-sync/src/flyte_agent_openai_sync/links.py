"""Pages about an answer."""

from __future__ import annotations

from urllib.parse import quote, urlsplit


def links_of(address: str, response_id: str) -> dict[str, str]:
    """
    Return name and address of the pages about an answer.

    OpenAI keeps responses, and chats that were sent with ``store``, for 30 days; of other servers only the address is
    known.
    """
    host = urlsplit(address).hostname or ""
    if host == "api.openai.com":
        page = f"logs/{quote(response_id)}" if response_id else "usage"
        return {"OpenAI": f"https://platform.openai.com/{page}"}
    if f".{host}".endswith(".azure.com"):
        return {"Azure OpenAI": "https://ai.azure.com"}
    return {"Models": f"{address}/models"}
