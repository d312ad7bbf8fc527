"""Restores a snapshot of a backendhub repository without backendhub: the written format, as a second decoder.

    pip install cryptography zstandard pyrage
    python restore_standalone.py DIRECTORY                         # lists the snapshots
    python restore_standalone.py DIRECTORY SNAPSHOT OUTPUT_FOLDER  # the beginning of its id, or `latest`

The key is asked for: the passphrase, or the text of an age identity file in the variable AGE_IDENTITY. Read
backup-format.md beside this. A repository in a bucket is first copied to a directory (`aws s3 sync`, rclone).
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import json
import os
import struct
import sys
from array import array
from pathlib import Path

import pyrage
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FOOTER = 0xFFFF_FFFF


def derive(key: bytes, label: bytes, *parts: bytes) -> bytes:
    mac = hashlib.blake2b(digest_size=32, key=key)
    for part in (label, *parts):
        mac.update(struct.pack("<I", len(part)) + part)
    return mac.digest()


class Repository:
    def __init__(self, root: Path, passphrase: str | None, identity: str | None) -> None:
        self.root = root
        self.config = json.loads((root / "config.json").read_text())
        if self.config["format"] != 1:
            sys.exit("This decoder knows format 1 only.")
        lines = (identity or self.open_key_file(passphrase or "")).splitlines()
        texts = [line for line in lines if line.startswith("AGE-SECRET-KEY-")]
        self.identities = [pyrage.x25519.Identity.from_str(text) for text in texts]
        self.write_keys = {}
        for key in [*self.derived_keys(texts), *self.stored_keys()]:
            self.write_keys[derive(key, b"key id")[:8].hex()] = key
        self.packs: dict[str, list[tuple[int, int, Pack, int]]] = {}  # first, count, pack, number in it
        for path in sorted((root / "packs").glob("*/*")):
            try:
                self.add(Pack(self, path))
            except Exception as error:  # one damaged pack must not keep the rest from coming back
                print(f"warning: {path.name}: {error!r}", file=sys.stderr)

    def open_key_file(self, passphrase: str) -> str:
        for path in (self.root / "keys").glob("*.age"):
            if not path.name.endswith(".write.age"):
                try:
                    return pyrage.passphrase.decrypt(path.read_bytes(), passphrase).decode()
                except pyrage.DecryptError:
                    continue
        sys.exit("The passphrase opens none of the key files.")

    def derived_keys(self, texts: list[str]) -> list[bytes]:
        repo_id = bytes.fromhex(self.config["id"])
        return [derive(hashlib.sha256(t.encode()).digest(), b"write key", repo_id) for t in texts]

    def stored_keys(self) -> list[bytes]:
        found = []
        for path in (self.root / "keys").glob("*.write.age"):
            try:
                found.append(pyrage.decrypt(path.read_bytes(), self.identities))
            except pyrage.DecryptError:
                continue
        return found

    def add(self, pack: Pack) -> None:
        number = 0
        for origin, first, count in pack.origins:
            self.packs.setdefault(origin, []).append((first, count, pack, number))
            number += count

    def chunk(self, origin: str, number: int) -> bytes:
        for first, count, pack, start in self.packs.get(origin, []):
            if first <= number < first + count:
                return pack.chunk(start + number - first)
        sys.exit(f"Pack {origin} is missing or damaged: this snapshot cannot be restored.")


class Sealed:
    """Header, key and frames of any encrypted object."""

    def __init__(self, repository: Repository, data: bytes, context: str = "", secret: bool = True) -> None:
        if data[:8] != b"BHUBSEA1":
            raise ValueError("not an object of this format")
        (length,) = struct.unpack("<I", data[8:12])
        self.header = json.loads(data[12 : 12 + length])
        self.start = 12 + length
        kind, self.id = self.header["kind"], self.header["id"]
        opened = b""
        if secret and "secret" in self.header:
            opened = pyrage.decrypt(base64.b64decode(self.header["secret"]), repository.identities)
        write_key = repository.write_keys[self.header["write_key"]]
        key = derive(write_key, b"seal", kind.encode(), bytes.fromhex(self.id), opened)
        self.aes = AESGCM(key)
        wrapped = self.header.get("secret", "")
        bound = hashlib.sha256(wrapped.encode()).hexdigest() if wrapped else ""
        self.bound = f"{kind}\0{self.id}\0{context}\0{bound}\0".encode()

    def open(self, number: int, sealed: bytes) -> bytes:
        nonce = number.to_bytes(12, "big")
        plain = self.aes.decrypt(nonce, sealed, self.bound + nonce)
        return zstandard.ZstdDecompressor().decompress(plain)


class Pack:
    def __init__(self, repository: Repository, path: Path) -> None:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != path.name:
            raise ValueError("its bytes do not match its name")
        self.path, self.sealed = path, Sealed(repository, data)
        (length,) = struct.unpack("<I", data[-12:-8])
        line, _, rest = self.sealed.open(FOOTER, data[-12 - length : -12]).partition(b"\n")
        head = json.loads(line)
        self.frames, self.origins = head["frames"], head["origins"]
        count = sum(frame[3] for frame in self.frames)
        self.lengths = array("I", rest[16 * count :])
        if sys.byteorder == "big":
            self.lengths.byteswap()
        self.kept: tuple[int, bytes] = (-1, b"")

    def chunk(self, number: int) -> bytes:
        index = first = 0
        while number >= first + self.frames[index][3]:
            first += self.frames[index][3]
            index += 1
        offset, stored = self.frames[index][:2]
        if self.kept[0] != index:
            with self.path.open("rb") as file:
                file.seek(self.sealed.start + offset)
                self.kept = index, self.sealed.open(index, file.read(stored))
        start = sum(self.lengths[first:number])
        return self.kept[1][start : start + self.lengths[number]]


def runs(segment: bytes) -> list[tuple[str, int, int]]:
    (count,) = struct.unpack_from("<I", segment)
    packs = [segment[4 + 16 * i : 20 + 16 * i].hex() for i in range(count)]
    ends, values, value, shift = [0] * count, [], 0, 0
    for byte in segment[4 + 16 * count :]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(value)
            value = shift = 0
    found = []
    for pack, step, length in zip(values[::3], values[1::3], values[2::3], strict=True):
        first = ends[pack] + (step >> 1 if step % 2 == 0 else -((step + 1) >> 1))
        ends[pack] = first + length
        found.append((packs[pack], first, length))
    return found


def snapshot(repository: Repository, path: Path) -> tuple[dict, dict]:
    data = path.read_bytes()
    name = path.relative_to(repository.root).as_posix()
    outer, inner = Sealed(repository, data, name, secret=False), Sealed(repository, data, name)
    (length,) = struct.unpack_from("<I", data, outer.start)
    at = outer.start + 4
    return json.loads(outer.open(0, data[at : at + length])), json.loads(inner.open(1, data[at + length :]))


def restore(repository: Repository, stream: dict, out: Path) -> None:
    digest = hashlib.sha256()
    partial = out.with_name(out.name + ".partial")
    with partial.open("wb") as file:
        for _, _, origin, number in stream["segments"]:
            for pack, first, count in runs(repository.chunk(origin, number)):
                for chunk in range(first, first + count):
                    data = repository.chunk(pack, chunk)
                    digest.update(data)
                    file.write(data)
    if digest.hexdigest() != stream["sha256"] or partial.stat().st_size != stream["length"]:
        sys.exit(f"{out.name} is not what was stored; what there is lies in {partial}")
    partial.rename(out)


def main() -> None:
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    identity = os.environ.get("AGE_IDENTITY")
    passphrase = None if identity else os.environ.get("PASSPHRASE") or getpass.getpass("Passphrase: ")
    repository = Repository(Path(sys.argv[1]), passphrase, identity)
    found = sorted((repository.root / "snaps").glob("*/*"), key=lambda p: p.name)
    if len(sys.argv) == 2:
        for path in found:
            facts, body = snapshot(repository, path)
            names = [stream["name"] for stream in body["streams"]]
            print(facts["id"], facts["target"], facts["seq"], facts["time"], facts["bytes"], names)
        return
    wanted = [p for p in found if sys.argv[2] == "latest" or p.name.split("-")[2].startswith(sys.argv[2])]
    if not wanted:
        sys.exit("There is no such snapshot.")
    _, body = snapshot(repository, wanted[-1])
    folder = Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").write_text(
        json.dumps({k: body[k] for k in ("meta", "tables", "streams")}, indent=1)
    )
    for number, stream in enumerate(body["streams"]):
        # Names of streams are not trusted as names of files.
        restore(repository, stream, folder / f"stream-{number}")
        print(f"stream-{number}: {stream['name']}, {stream['length']} bytes, sha256 right")


if __name__ == "__main__":
    main()
