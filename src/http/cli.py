#!/usr/bin/env python3
"""Command line client of Larder, an artifact repository; works with dlrepo servers too.

One file, Python 3.6 or newer, standard library only. A server gives it away at /cli:

    curl -sO http://127.0.0.1:1337/cli && python3 cli --help
"""

import argparse
import base64
import collections
import errno
import getpass
import hashlib
import http.client
import io
import json
import os
import queue
import re
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
from urllib.parse import quote, urlencode, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

VERSION = "0.1.0"
DEFAULT_URL = "http://127.0.0.1:1337"
BLOCK = 256 * 1024
TIMEOUT_S = 300  # of one read or write
FINISH_TIMEOUT_S = 3600  # finishing a format may run a command of the server's owner
REDIRECTS_MAX = 5
PAUSE_MAX_S = 30
KEPT_IN_PATHS = "~!$&()*,;=:@"


UNFINISHED = set()  # files that are being written


class Failure(Exception):
    """What is told to people after `error: `."""


class Remote(Failure):
    """An answer that says no."""

    def __init__(self, status, said):
        super().__init__("remote: %s" % said)
        self.status = status


class Broken(Exception):
    """The connection ended too early, or the bytes are not right: worth another try."""


class Answer:
    """Status, headers and URL of an answer, with its body if that is not for a file."""

    def __init__(self, response, url, body):
        self.response, self.url, self.body = response, url, body
        self.status = response.status

    def header(self, name):
        return self.response.getheader(name) or ""


def variable(name):
    """The value of LARDER_name, else of DLREPO_name."""
    return os.environ.get("LARDER_" + name) or os.environ.get("DLREPO_" + name)


def unix_user():
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""  # this user id has no name, as in containers


class Login:
    """Who we are. Shared by all connections, so that a password is asked for once."""

    def __init__(self):
        self.token = os.environ.get("LARDER_TOKEN")
        self.user = variable("USER")
        self.password = variable("PASSWORD")
        self.asked = False
        self.lock = threading.Lock()

    def name(self):
        return self.user or unix_user()

    def header(self):
        if self.token:
            return "Bearer " + self.token
        if self.user is None and self.password is None:
            return None
        pair = "%s:%s" % (self.name(), self.password or "")
        return "Basic " + base64.b64encode(pair.encode("utf-8", "surrogateescape")).decode()

    def ask(self, refused, host):
        """Whether there is something else to try than `refused`."""
        with self.lock:
            if self.header() != refused:
                return True
            if self.token or self.asked or not (sys.stdin and sys.stdin.isatty()):
                return False
            self.asked = True
            self.password = getpass.getpass("Password for %s at %s: " % (self.name(), host))
            return True


class Server:
    """A server: one connection for each thread, kept open, and every request until it works."""

    def __init__(self, options):
        url = options.url.rstrip("/")
        if "://" not in url:
            raise Failure("%s is no address: it starts with http:// or https://" % options.url)
        prefix = options.prefix.strip("/")
        self.base = url + "/" + (quote_path(prefix) + "/" if prefix else "")
        self.retries = options.retries
        self.says = options.verbose or sys.stderr.isatty()
        self.login = Login()
        self.here = threading.local()
        self.stop = threading.Event()

    def url(self, *names, **more):
        """The URL of a branch, or of what is below it. Names are lower case on the server."""
        names = [quote_path(name.lower(), "") for name in names]
        return self.base + "/".join(["branches"] + names) + "/" + more.get("end", "")

    def get(self, *names, **query):
        url = self.url(*names)
        answer = self.ask("GET", url + ("?" + urlencode(query, quote_via=quote) if query else ""))
        return as_json(answer)

    def send(self, method, names, value):
        body = json.dumps(value).encode()
        headers = {"Content-Type": "application/json"}
        return self.ask(method, self.url(*names), lambda send: send(body), size=len(body),
                        headers=headers)

    def ask(self, method, url, body=None, sink=None, **more):
        """One request, repeated while that may help. `body` is called with a function that sends
        bytes; `sink` with the answer, to read a body of 200 or 206 itself."""
        tries, asked = 0, url
        while True:
            if self.stop.is_set():
                raise Failure("stopped")
            try:
                answer = self.follow(method, asked, body, sink, more)
                reason = self.judge(method, answer, tries)
                if reason is None:
                    return answer
                pause = number(answer.header("Retry-After"))
            except (OSError, http.client.HTTPException, Broken) as error:
                if is_local(error):
                    raise
                reason, pause = describe(error, asked), None
                self.close()
            if tries >= self.retries:
                raise Failure(reason)
            tries += 1
            self.say("trying again: " + reason)
            self.stop.wait(min(PAUSE_MAX_S, pause or 0.25 * 2 ** tries))

    def say(self, line):
        if self.says:
            print(line, file=sys.stderr)

    def judge(self, method, answer, tries):
        """None if this is the answer, a reason to ask once more, or the end."""
        said = text_of(answer)
        if answer.status < 300 or method == "HEAD" and answer.status in (403, 404, 405):
            return None
        if method == "DELETE" and answer.status == 404 and tries:
            return None  # the try before was heard after all
        again = (429, 502, 503, 504) + ((500,) if method in ("GET", "HEAD", "PUT") else ())
        if answer.status in again:
            return "remote: " + said
        if answer.status == 401 and self.login.header() is None:
            said += " (say who you are with LARDER_TOKEN, or LARDER_USER and LARDER_PASSWORD)"
        raise Remote(answer.status, said)

    def follow(self, method, url, body, sink, more):
        """One request with its redirects and its login."""
        for _ in range(REDIRECTS_MAX):
            login = self.login.header() if same_place(url, self.base) else None
            answer = self.once(method, url, login, body, sink, more)
            place = answer.header("Location")
            if answer.status in (301, 302, 303, 307, 308) and place:
                place = urljoin(url, place)
                if method not in ("GET", "HEAD"):
                    raise Failure("the server sends us to %s; %s is not repeated there: "
                                  "correct the address" % (place, method))
                url = place
            elif answer.status == 401 and same_place(url, self.base):
                if not self.login.ask(login, urlsplit(url).netloc):
                    return answer
            else:
                return answer
        raise Failure("%s: too many redirects" % url)

    def once(self, method, url, login, body, sink, more):
        """One request on the connection of this thread; on a new one if that went stale."""
        while True:
            fresh = getattr(self.here, "place", None) != urlsplit(url)[:2]
            connection, target = self.connection(url, more.get("timeout", TIMEOUT_S))
            try:
                response = self.exchange(connection, method, target, login, body, more)
                break
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.close()
                if fresh:
                    raise
        wanted = sink and response.status in (200, 206)
        answer = Answer(response, url, b"" if wanted else response.read())
        if wanted:
            sink(answer)
        if response.will_close:
            self.close()
        return answer

    def exchange(self, connection, method, target, login, body, more):
        connection.putrequest(method, target, skip_accept_encoding=True)
        headers = {"Accept": "application/json,application/octet-stream",
                   "User-Agent": "larder-cli/" + VERSION}
        if method not in ("GET", "HEAD"):
            headers["Content-Length"] = str(more.get("size", 0))
            headers["Content-Type"] = "application/octet-stream"
        headers.update(more.get("headers") or {})
        headers.update({"Authorization": login} if login else {})
        for name, value in headers.items():
            connection.putheader(name, value)
        try:
            connection.endheaders()
            if body:
                body(connection.send)
        except (BrokenPipeError, ConnectionResetError):
            # Refused before the end. The answer, if it gets through, says why.
            response = connection.getresponse()
            response.will_close = True
            return response
        return connection.getresponse()

    def connection(self, url, timeout_s):
        """The connection of this thread to the server of `url`, and what to ask it for."""
        parts = urlsplit(url)
        target = parts.path + ("?" + parts.query if parts.query else "")
        proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
        if proxy and parts.scheme == "http":
            target = url
        if getattr(self.here, "place", None) != parts[:2]:
            self.close()
            self.here.connection = connect(parts, proxy, timeout_s)
            self.here.place = parts[:2]
        connection = self.here.connection
        connection.timeout = timeout_s
        if connection.sock:
            connection.sock.settimeout(timeout_s)
        return connection, target

    def close(self):
        if getattr(self.here, "connection", None):
            self.here.connection.close()
        self.here.place = self.here.connection = None


def connect(parts, proxy, timeout_s):
    """Opens nothing yet: that comes with the first request."""
    via = urlsplit(proxy if "://" in proxy else "http://" + proxy) if proxy else parts
    try:
        place = (via.hostname, via.port)
    except ValueError as error:
        raise Failure("%s is no address: %s" % (via.geturl(), error))
    if not via.hostname:
        raise Failure("%s is no address: it has no host" % parts.geturl())
    if parts.scheme == "http":
        return http.client.HTTPConnection(*place, timeout=timeout_s)
    if parts.scheme != "https":
        raise Failure("%s is no address: it starts with http:// or https://" % parts.geturl())
    context = ssl.create_default_context()
    connection = http.client.HTTPSConnection(*place, timeout=timeout_s, context=context)
    if proxy:
        connection.set_tunnel(parts.hostname, parts.port or 443)
    return connection


def quote_path(path, also="/"):
    return quote(os.fsencode(path), safe=KEPT_IN_PATHS + also)


def same_place(one, other):
    return urlsplit(one)[:2] == urlsplit(other)[:2]


def number(text):
    return int(text) if text.isdigit() else None


def text_of(answer):
    said = answer.body.decode("utf-8", "replace").strip()
    return said or "%d: %s" % (answer.status, answer.response.reason)


def as_json(answer):
    try:
        return json.loads(answer.body.decode("utf-8"))
    except ValueError:
        raise Failure("%s did not answer in JSON: is it the address of the repository?"
                      % answer.url)


def is_local(error):
    """Whether it is about a file, a name or a certificate: trying again changes nothing."""
    return isinstance(error, OSError) and (
        error.filename is not None
        or getattr(error, "reason", None) == "CERTIFICATE_VERIFY_FAILED"
        or isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN
        or errno.errorcode.get(error.errno) in ("ENOSPC", "EDQUOT", "EFBIG", "EIO"))


def describe(error, url):
    if isinstance(error, Broken):
        return str(error)
    return "%s: %s" % (urlsplit(url).netloc, error or type(error).__name__)


class Work:
    """Does something with many files at once and shows how far it is."""

    def __init__(self, server, options, total_bytes):
        self.server, self.options = server, options
        self.lock = threading.Lock()
        self.total = total_bytes
        self.bytes = self.files = 0
        self.started = time.time()
        self.shows = sys.stderr.isatty()

    def run(self, do, items):
        """`do(item, self)` for each of `items`; the first failure stops all."""
        todo, failures = queue.Queue(), queue.Queue()
        for item in items:
            todo.put(item)
        count = todo.qsize()

        def worker():
            try:
                while not self.server.stop.is_set():
                    do(todo.get_nowait(), self)
                    with self.lock:
                        self.files += 1
            except queue.Empty:
                pass
            except BaseException as error:  # pylint: disable=broad-except
                failures.put(error)
                self.server.stop.set()
            finally:
                self.server.close()

        threads = [threading.Thread(target=worker, daemon=True)
                   for _ in range(min(self.options.connections, count))]
        try:
            self.show(count)
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                self.show(count)
                for thread in threads:
                    thread.join(0.2 / len(threads))
        except BaseException:  # Ctrl-C, or a signal: what is half written goes
            self.server.stop.set()
            until = time.time() + 1
            for thread in threads:
                thread.join(max(0, until - time.time()))
            remove_unfinished()
            raise
        finally:
            self.clear()
        if not failures.empty():
            raise failures.get()

    def moved(self, count):
        with self.lock:
            self.bytes += count

    def tell(self, line):
        if self.options.verbose:
            with self.lock:
                self.clear()
                print(line, file=sys.stderr)

    def show(self, count):
        if not self.shows:
            return
        took_s = max(time.time() - self.started, 0.001)
        of = "/" + human(self.total) if self.total is not None else ""
        line = "%d/%d files  %s%s  %s/s" % (
            self.files, count, human(self.bytes), of, human(self.bytes / took_s))
        width = shutil.get_terminal_size().columns - 1
        print("\r" + line[:width].ljust(width), end="", file=sys.stderr, flush=True)

    def clear(self):
        if self.shows:
            width = shutil.get_terminal_size().columns - 1
            print("\r" + " " * width + "\r", end="", file=sys.stderr, flush=True)


def human(size):
    for unit in ("", "K", "M", "G", "T"):
        if size < 1000 or unit == "T":
            return "%.1f%s" % (size, unit) if unit and size < 100 else "%.0f%s" % (size, unit)
        size /= 1000.0


def upload(server, options):
    names = (options.branch, options.tag, options.job, options.format)
    files = collections.OrderedDict()
    for path in options.paths:
        for relative, place in find_files(path):
            files[relative] = place
    work = Work(server, options, sum(os.stat(place).st_size for place in files.values()))

    def one(item, work):
        relative, place = item
        upload_file(server, server.url(*names, end=quote_path(relative)), relative, place, work)

    work.run(one, files.items())
    server.ask("PATCH", server.url(*names), timeout=FINISH_TIMEOUT_S)
    print("Browse/Download: " + server.url(*names))


def find_files(path):
    """The files at a path that was given: (name on the server, place here)."""
    if not os.path.isdir(path):
        require_file(path)
        return [(os.path.basename(path), path)]
    return list(walk(path, "", (os.path.realpath(path),)))


def walk(folder, below, above):
    inner = []
    for name in sorted(os.listdir(folder)):
        place, relative = os.path.join(folder, name), below + name
        if not os.path.isdir(place):
            require_file(place)
            yield relative, place
        elif os.path.realpath(place) in above:
            raise Failure("%s leads to a folder that it lies in" % place)
        else:
            inner.append((place, relative + "/"))
    for place, relative in inner:
        for found in walk(place, relative, above + (os.path.realpath(place),)):
            yield found


def require_file(path):
    os.stat(path)
    if not os.path.isfile(path):
        raise Failure("%s is neither a file nor a folder" % path)


def upload_file(server, url, relative, place, work):
    """Sends a file, unless the server has its bytes: then they are only linked."""
    size, digest = hash_file(place, server)
    headers = {"Digest": digest}
    linked = server.ask("HEAD", url, headers=headers).status == 200
    if linked:
        try:
            server.ask("PUT", url, headers=dict(headers, **{"X-Dlrepo-Link": digest}))
            work.moved(size)
        except Remote as refusal:
            if refusal.status != 404:
                raise
            linked = False  # gone since we asked
    if not linked:
        send_file(server, url, place, size, headers, work)
    work.tell("%s %s (%s)" % ("linked  " if linked else "uploaded", relative, human(size)))


def hash_file(place, server):
    size, sha256 = 0, hashlib.sha256()
    with open(place, "rb") as file:
        for block in iter(lambda: file.read(BLOCK), b""):
            if server.stop.is_set():
                raise Failure("stopped")
            size += len(block)
            sha256.update(block)
    return size, "sha256:" + sha256.hexdigest()


def send_file(server, url, place, size, headers, work):
    sent = [0]

    def body(send):
        work.moved(-sent[0])
        sent[0] = 0
        with open(place, "rb") as file:
            while sent[0] < size:
                block = file.read(min(BLOCK, size - sent[0]))
                if not block or server.stop.is_set():
                    server.close()
                    raise Failure("%s: changed while it was sent" % place)
                send(block)
                sent[0] += len(block)
                work.moved(len(block))

    server.ask("PUT", url, body, size=size, headers=headers)


def get(server, options):
    names = (options.branch, options.tag, options.job, options.format)
    listing = server.ask("GET", server.url(*names))
    files = as_json(listing)["artifact_format"]["files"]
    # Of the tag that `latest` means now, though there may be another one soon.
    base = urljoin(listing.url, urlsplit(listing.url).path)
    os.makedirs(options.folder, exist_ok=True)
    work = Work(server, options, None)

    def one(relative, work):
        parts = relative.split("/")
        if any(part in ("", ".", "..") or os.sep in part for part in parts):
            raise Failure("%r is no path that may be written here" % relative)
        place = os.path.join(options.folder, *parts)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        size = get_file(server, base + quote_path(relative), place, work)
        work.tell("downloaded %s (%s)" % (relative, human(size)))

    work.run(one, files)


def get_file(server, url, place, work):
    """Writes a file beside its place, and gives it its name when all is there and right."""
    if os.path.isdir(place):
        raise Failure("%s is a folder" % place)
    folder = os.path.dirname(place) or "."
    handle, beside = tempfile.mkstemp(dir=folder, prefix=".larder-")
    UNFINISHED.add(beside)
    try:
        with open(handle, "w+b") as file:
            download = Download(file, place, server, work)
            server.ask("GET", url, sink=download.read, headers=download.headers)
            if not download.done:
                raise Failure("%s: the server sent no file" % place)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o666 & ~UMASK)
        os.replace(beside, place)
        UNFINISHED.discard(beside)
        sync_folder(folder)
        return download.size
    finally:
        if beside in UNFINISHED:
            UNFINISHED.discard(beside)
            os.unlink(beside)


def remove_unfinished():
    """What a thread that waits for the network cannot clear away itself."""
    while UNFINISHED:
        try:
            os.unlink(UNFINISHED.pop())
        except OSError:
            pass  # it has got its name in the meantime


class Download:
    """A file on its way here. After a broken connection it goes on where it was."""

    def __init__(self, file, place, server, work):
        self.file, self.place, self.server, self.work = file, place, server, work
        self.headers = {}  # of the next request
        self.size = self.mismatches = 0
        self.done = False

    def read(self, answer):
        digest, tag = answer.header("Digest"), answer.header("ETag")
        self.start(answer, digest)
        left = number(answer.header("Content-Length"))
        try:
            while left is None or left > 0:
                block = answer.response.read1(BLOCK if left is None else min(BLOCK, left))
                if not block:
                    break
                self.keep(block)
                left = None if left is None else left - len(block)
        finally:
            if left and tag and not tag.startswith("W/"):
                self.headers.update({"Range": "bytes=%d-" % self.size, "If-Range": tag})
        if left:
            raise Broken("%s: the connection ended %d bytes early" % (self.place, left))
        answer.response.read()
        self.verify(digest)

    def keep(self, block):
        if self.server.stop.is_set():
            raise Failure("stopped")
        self.file.write(block)
        self.hash.update(block)
        self.size += len(block)
        self.work.moved(len(block))

    def start(self, answer, digest):
        part = re.match(r"bytes (\d+)-", answer.header("Content-Range"))
        if answer.status == 206 and part and int(part.group(1)) == self.size:
            return
        self.headers.clear()
        self.work.moved(-self.size)
        self.size = 0
        self.file.seek(0)
        self.file.truncate()
        algorithm = digest.partition(":")[0].lower()
        self.hash = hashlib.new(algorithm if algorithm in hashlib.algorithms_available
                                and not algorithm.startswith("shake") else "sha256")
        if answer.status == 206:
            raise Broken("%s: the server sent another part than asked for" % self.place)

    def verify(self, digest):
        algorithm, _, wanted = digest.partition(":")
        if wanted and algorithm.lower() == self.hash.name:
            if self.hash.hexdigest() != wanted.lower():
                self.headers.clear()
                self.mismatches += 1
                kind = Broken if self.mismatches < 2 else Failure
                raise kind("%s: what came does not match %s" % (self.place, digest))
        self.done = True


def sync_folder(folder):
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def show(value, options, lines, url=None):
    """Prints an answer: as it came, or as lines."""
    if options.raw_json:
        print(json.dumps(value, indent=2))
        return
    if url and options.print_url:
        print("URL: " + url, file=sys.stderr)
    for line in lines:
        print(line)


def get_info(server, options):
    names = (options.branch, options.tag, options.job)
    value = server.get(*names)

    def said(what):
        return " ".join(map(str, what)) if isinstance(what, list) else what

    lines = ["%s=%s" % (key, said(what)) for key, what in value["job"].items()]
    show(value, options, lines, server.url(*names))


def set_info(server, options):
    names = (options.branch, options.tag, options.job)
    server.send("PATCH", names, {"job": dict(options.parameters)})
    job = server.get(*names)["job"]
    product = [job.get(key) for key in
               ("product", "product_variant", "product_branch", "version")]
    if all(product):
        path = "/".join(quote_path(str(name), "") for name in product)
        print("Browse/Download: %sproducts/%s/" % (server.base, path))


def list_jobs(server, options):
    names = (options.branch, options.tag)
    value = server.get(*names, **dict(options.parameters))
    jobs = [job["name"] for job in value["tag"]["jobs"]]
    show(value, options, jobs, server.url(*names))


def list_tags(server, options):
    value = server.get(options.branch, **({"released": "1"} if options.released_only else {}))
    tags = [tag["name"] for tag in value["branch"]["tags"]
            if tag.get("released") or not options.released_only]
    show(value, options, tags, server.url(options.branch))


def list_branches(server, options):
    value = server.get()
    branches = value["branches"]
    lines = [branch["name"] for branch in branches]
    if options.verbose:
        rows = [[branch["name"] + ":", limited(branch, "released"), limited(branch, "daily"),
                 str(branch["locked_tags"])] for branch in branches]
        width = [max(map(len, column)) for column in zip(*rows)]
        lines = ["%s released %s daily %s locked %s" % (
            row[0].ljust(width[0]), row[1].rjust(width[1]), row[2].rjust(width[2]),
            row[3].rjust(width[3])) for row in rows]
    show(value, options, lines, server.url())


def limited(branch, kind):
    most = branch.get("max_%s_tags" % kind)
    return "%d/%d" % (branch[kind + "_tags"], most) if most else str(branch[kind + "_tags"])


def status(server, options):
    value = server.get(options.branch, options.tag)
    lines = ["%s=%s" % (key, value["tag"].get(key))
             for key in ("released", "stable", "locked", "publish_status")]
    show(value, options, lines, server.url(options.branch, options.tag))


def get_description(server, options):
    value = server.get(options.branch, options.tag)
    text = value["tag"].get("description")
    show(value, options, [text] if text else [], server.url(options.branch, options.tag))


def set_description(server, options):
    names = (options.branch, options.tag)
    server.send("POST", names, {"tag": {"description": options.description}})


def cleanup_policy(server, options):
    limits = {"max_daily_tags": options.max_daily, "max_released_tags": options.max_released}
    changes = {key: limit for key, limit in limits.items() if limit is not None}
    if changes:
        server.send("POST", (options.branch,), {"branch": changes})
        return
    value = server.get(options.branch)
    policy = value["branch"]["cleanup_policy"]
    show(value, options, ["%s=%s" % (key, policy.get(key)) for key in limits])


def lock(server, options):
    names = (options.branch, options.tag)
    if options.job is None:
        server.send("POST", names, {"tag": {"locked": not options.unset}})
    else:
        method = "POST" if options.unset else "PUT"
        server.send(method, names + (options.job,), {"job": {"locked": not options.unset}})


def release(server, options):
    server.send("POST", (options.branch, options.tag), {"tag": {"released": not options.unset}})


def stable(server, options):
    server.send("POST", (options.branch, options.tag), {"tag": {"stable": not options.unset}})


def internal(server, options):
    names = (options.branch, options.tag, options.job)
    server.send("PUT", names, {"job": {"internal": not options.unset}})


def delete(server, options):
    names = (options.branch, options.tag, options.job, options.format)
    server.ask("DELETE", server.url(*(name for name in names if name is not None)))


def flush(server, options):
    if "/~" not in server.base:
        raise Failure("%s is not a user space, refusing to flush" % server.base)
    for branch in server.get()["branches"]:
        server.ask("DELETE", server.url(branch["name"]))


def name_type(text):
    if not text:
        raise argparse.ArgumentTypeError("a name cannot be empty")
    return text


def path_type(text):
    if not os.path.exists(text):
        raise argparse.ArgumentTypeError("%r: %s" % (text, os.strerror(errno.ENOENT)))
    return text


def parameter_type(text):
    found = re.match(r"(\w+)=(.*)\Z", text, re.DOTALL)
    if not found:
        raise argparse.ArgumentTypeError("%r: Invalid job parameter" % text)
    return found.groups()


def count_type(least):
    def read(text):
        count = int(text)
        if count < least:
            raise argparse.ArgumentTypeError("%s is less than %d" % (text, least))
        return count
    read.__name__ = "int"
    return read


# Command, what it does, its positional arguments; those in brackets may be left out.
LEVELS = ("branch", "tag", "job", "format")
COMMANDS = (
    ("get", get, "Download the files of a format into a folder.", "branch tag job format"),
    ("upload", upload, "Upload files, and what is in folders, into a format. What the server "
     "has already is not sent again.", "branch tag job format"),
    ("get-info", get_info, "Show the metadata of a job.", "branch tag job"),
    ("set-info", set_info, "Change the metadata of a job.", "branch tag job"),
    ("lock", lock, "Lock a job, so that it does not change any more; or a tag, so that it is "
     "never deleted, not even by a policy.", "branch tag [job]"),
    ("get-description", get_description, "Show the description of a tag.", "branch tag"),
    ("set-description", set_description, "Set the description of a tag; an empty one removes "
     "it.", "branch tag"),
    ("branches", list_branches, "List the branches.", ""),
    ("tags", list_tags, "List the tags of a branch.", "branch"),
    ("jobs", list_jobs, "List the jobs of a tag.", "branch tag"),
    ("status", status, "Show what a tag is: released, stable, locked, published.", "branch tag"),
    ("release", release, "Set or unset whether a tag is released. If the server publishes, it "
     "begins to; `status` tells how far it is.", "branch tag"),
    ("stable", stable, "Set or unset whether a tag is stable.", "branch tag"),
    ("internal", internal, "Set or unset whether a job is internal: never published.",
     "branch tag job"),
    ("delete", delete, "Delete a branch, a tag, a job or a format.",
     "branch [tag] [job] [format]"),
    ("flush", flush, "Delete everything in the own user space.", ""),
    ("cleanup-policy", cleanup_policy, "Show or change how many tags of a branch are kept.",
     "branch"),
)


def add_own_arguments(command, parser):
    """What only one command, or a few, take."""
    if command == "get":
        parser.add_argument("folder", metavar="DIR", help="the folder to write into")
    elif command == "upload":
        parser.add_argument("paths", metavar="FILE_OR_DIR", nargs="+", type=path_type,
                            help="a file, or a folder whose content is uploaded")
    elif command in ("set-info", "jobs"):
        parser.add_argument("parameters", metavar="PARAM=VALUE", type=parameter_type,
                            nargs="+" if command == "set-info" else "*",
                            help="a parameter of the job (PARAM= for none)")
    elif command == "set-description":
        parser.add_argument("description", metavar="DESCRIPTION", help="the description")
    elif command == "tags":
        parser.add_argument("-r", "--released-only", action="store_true",
                            help="only the released ones")
    elif command == "cleanup-policy":
        parser.add_argument("-d", "--max-daily", type=int,
                            help="most tags to keep that are not released; 0: all")
        parser.add_argument("-r", "--max-released", type=int,
                            help="most released tags to keep; 0: all")
    elif command in ("lock", "release", "stable", "internal"):
        option = "--unlock" if command == "lock" else "--unset"
        parser.add_argument("-u", option, dest="unset", action="store_true", help="undo it")
    if command in ("get", "upload"):
        add_connections(parser, argparse.SUPPRESS)


def add_connections(parser, default):
    parser.add_argument("-J", "--jobs", dest="connections", metavar="N", default=default,
                        type=count_type(1), help="connections at once (default: 4)")


def parse():
    user = variable("USER") or unix_user()
    parser = argparse.ArgumentParser(
        prog="larder-cli", description="Work with a Larder or dlrepo server.",
        epilog="Who you are: LARDER_TOKEN, or LARDER_USER and LARDER_PASSWORD (DLREPO_USER and "
        "DLREPO_PASSWORD work too). A password is asked for on a terminal. Certificates of an "
        "own authority: SSL_CERT_FILE. Proxies: http_proxy, https_proxy, no_proxy.")
    parser.add_argument("--version", action="version", version="larder-cli " + VERSION)
    parser.add_argument("-U", "--url", default=variable("URL") or DEFAULT_URL,
                        help="address of the server; variable LARDER_URL or DLREPO_URL "
                        "(default: %(default)s)")
    parser.add_argument("-p", "--prefix", default="/~%s/" % user if user else "/",
                        help="where in the repository: / is its root (default: %(default)s, "
                        "your own space)")
    parser.add_argument("-j", "--raw-json", action="store_true",
                        help="print the answer in JSON")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell more")
    parser.add_argument("--no-print-url", dest="print_url", action="store_false",
                        help="do not print the URL of what is shown")
    parser.add_argument("--retries", metavar="N", type=count_type(0), default=5,
                        help="how often to try again (default: %(default)s)")
    add_connections(parser, 4)
    commands = parser.add_subparsers(metavar="SUB_COMMAND", dest="command")
    commands.required = True
    for command, do, help_text, names in COMMANDS:
        sub = commands.add_parser(command, help=help_text, description=help_text)
        for name in names.split():
            bare = name.strip("[]")
            sub.add_argument(bare, metavar=bare.upper(), type=name_type,
                             nargs=None if bare == name else "?", help="name of the " + bare)
        add_own_arguments(command, sub)
        sub.set_defaults(do=do)
    return parser.parse_args()


def keep_printable(stream):
    """A terminal that cannot show a letter is no reason to fail."""
    return io.TextIOWrapper(stream.buffer, stream.encoding, "backslashreplace",
                            line_buffering=True)


def ended(_signal, _frame):
    sys.exit(143)


def main():
    signal.signal(signal.SIGTERM, ended)
    sys.stdout, sys.stderr = keep_printable(sys.stdout), keep_printable(sys.stderr)
    options = parse()
    try:
        options.do(Server(options), options)
        return 0
    except (Failure, OSError, http.client.HTTPException, ValueError, KeyError) as error:
        if isinstance(error, KeyError):
            error = "the server's answer has no %s" % error
        print("error: %s" % error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130


UMASK = os.umask(0o22)
os.umask(UMASK)

if __name__ == "__main__":
    sys.exit(main())
