"""The HTTP server as this API needs it: TLS always, nothing believed of forwarding headers."""

import ssl
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from admin_api.crowd import CrowdedProtocol

_LARGEST_HEADERS = 16 * 1024
_LARGEST_MESSAGE = 4 * 1024
"""Of what a browser says on a WebSocket: nothing that it could say is listened to."""


def server_config(app: FastAPI, *, host: str, port: int, certificate: Path, key: Path) -> uvicorn.Config:
    """Return uvicorn's configuration to serve *app* on *host* and *port* (0: any free one).

    *certificate* is a PEM chain, *key* its private key. TLS 1.2 with forward secrecy is the least that is spoken.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        ssl_certfile=str(certificate),
        ssl_keyfile=str(key),
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
        ssl_ciphers="ECDHE+AESGCM:ECDHE+CHACHA20",
        http=CrowdedProtocol,
        ws="websockets-sansio",
        ws_max_size=_LARGEST_MESSAGE,
        ws_per_message_deflate=False,
        ws_ping_interval=15.0,
        ws_ping_timeout=15.0,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        date_header=True,
        access_log=False,
        log_config=None,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=5,
        limit_concurrency=200,
        h11_max_incomplete_event_size=_LARGEST_HEADERS,
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config
