-- Runs once, when the volume is empty: a role and a schema for each service, passwords from the mounted secrets.
-- psql reads and quotes them itself, so no password is in this file or in the process list.

\set upload `cat "${SECRETS:-/run/secrets}/postgres_upload"`
\set results `cat "${SECRETS:-/run/secrets}/postgres_results"`
\set notify `cat "${SECRETS:-/run/secrets}/postgres_notify"`

REVOKE ALL ON DATABASE assay FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;
CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;

SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY['upload', 'results', 'notify']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

ALTER ROLE upload LOGIN PASSWORD :'upload';
ALTER ROLE results LOGIN PASSWORD :'results';
ALTER ROLE notify LOGIN PASSWORD :'notify';

SELECT format('ALTER ROLE %1$I SET search_path = %1$I, public', name),
       format('GRANT CONNECT, TEMPORARY ON DATABASE assay TO %I', name),
       format('CREATE SCHEMA IF NOT EXISTS %1$I AUTHORIZATION %1$I', name)
FROM unnest(ARRAY['upload', 'results', 'notify']) AS name
\gexec
