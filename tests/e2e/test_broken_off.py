"""Uploads that break off, at the gateway: the client hears why where it still listens, and nobody else is disturbed."""

import socket

import httpx
from support.product import Product

HEAD = (
    "POST /api/v1/files HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\n"
    "Content-Type: multipart/form-data; boundary=cut\r\nContent-Length: 60000\r\n\r\n"
    '--cut\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
)


def _begin(product: Product) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", product.port), timeout=30)
    connection.sendall(HEAD.format(port=product.port, token=product.token).encode() + b"\xff\xd8\xff\xe0" * 5000)
    return connection


def test_a_body_that_is_cut_off_is_a_problem_of_the_client(product: Product) -> None:
    with _begin(product) as connection:
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
            if b"malformed_body" in answer:
                break
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b"application/problem+json" in answer


def test_clients_that_break_off_shut_nobody_out(product: Product) -> None:
    with httpx.Client(base_url=product.url, headers={"Authorization": f"Bearer {product.token}"}, timeout=30) as client:
        for _ in range(10):
            _begin(product).close()
            assert client.get("/api/v1/limits").status_code == 200
