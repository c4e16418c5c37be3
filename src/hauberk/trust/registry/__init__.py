"""The model registry: TUF metadata over small signed manifests, weights by digest.

`names` says what may be called what, `documents` holds what is signed, `shelf` keeps bytes by
name in a folder, `metadata` speaks TUF, `client` reads and believes nothing, `registrar`
writes, `drafts` carries half-signed changes between persons, `anchor` is what a pinned root
of trust says of a registry and `memory` what a client has seen of it.
"""
