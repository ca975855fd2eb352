"""Writes a wheel and a source distribution by hand: folder, name, version, versions of Python."""
import base64, hashlib, io, sys, tarfile, zipfile

folder, name, version, python = sys.argv[1:]
stem = name.lower().replace("-", "_").replace(".", "_")
metadata = (
    f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: A <b>thing</b>\n"
    f"Author-email: ann@example.org\nKeywords: a,b\nClassifier: Topic :: Utilities\n"
    f"Classifier: Programming Language :: Python\nRequires-Python: {python}\n"
    "Description-Content-Type: text/markdown\n\nWhat it is for: \u00e4\u00f6\u00fc.\n"
)
info = f"{stem}-{version}.dist-info"
files = {
    f"{stem}.py": f"VERSION = {version!r}\n",
    f"{info}/METADATA": metadata,
    f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}


def line(path, text):
    data = text.encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(data)}\n"


files[f"{info}/RECORD"] = "".join(line(*file) for file in files.items()) + f"{info}/RECORD,,\n"
with zipfile.ZipFile(f"{folder}/{stem}-{version}-py3-none-any.whl", "w") as wheel:
    for path, text in files.items():
        wheel.writestr(path, text)
with tarfile.open(f"{folder}/{stem}-{version}.tar.gz", "w:gz") as sources:
    for path, text in {"PKG-INFO": metadata, f"{stem}.py": files[f"{stem}.py"]}.items():
        member = tarfile.TarInfo(f"{stem}-{version}/{path}")
        member.size = len(text.encode())
        sources.addfile(member, io.BytesIO(text.encode()))
