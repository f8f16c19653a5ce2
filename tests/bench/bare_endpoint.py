"""The least that an upload service can be: `python -m bench.bare_endpoint PORT`.

FastAPI reads the form, boto3 puts the bytes into S3 (`BENCH_S3`), the answer is 202. Nobody is asked who he is, no type
is looked at, nothing is written down, nobody hears of it.
"""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, UploadFile

from bench.job import Storage

THREADS = 16


def build() -> FastAPI:
    """The application."""
    storage = Storage.from_environment()
    client, threads = storage.connect(), ThreadPoolExecutor(THREADS)
    app = FastAPI(openapi_url=None)

    @app.post("/api/v1/files", status_code=202)
    async def upload(file: UploadFile) -> dict[str, str]:
        key, content = f"bench/{uuid4()}", await file.read()
        await asyncio.get_running_loop().run_in_executor(
            threads, lambda: client.put_object(Bucket=storage.bucket, Key=key, Body=content)
        )
        return {"key": key}

    return app


if __name__ == "__main__":
    uvicorn.run(build(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
