"""Write docs/openapi.json as the API is now."""

from pathlib import Path

from isthmus.api.v1 import openapi_document

if __name__ == "__main__":
    (Path(__file__).resolve().parent.parent / "docs" / "openapi.json").write_bytes(openapi_document())
