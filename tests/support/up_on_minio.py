"""`assay up` with MinIO instead of SeaweedFS: `python -m support.up_on_minio`, with tests/ on the path."""

import sys

from assay.embedded import up
from support import minio

if __name__ == "__main__":
    minio.put_in_place()
    sys.exit(up.main())
