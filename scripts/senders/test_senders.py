"""The reference senders against a real HTTP and a real SMTP server on loopback: python3 -m unittest test_senders

Servers and senders are separate threads and processes; nothing is replaced by a double. Nothing waits for the clock but
the senders' own back-off, which is set to milliseconds.
"""

import asyncio
import base64
import collections
import contextlib
import email
import email.policy
import hashlib
import http.server
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SECRET = "payload-that-nobody-may-log"


def setUpModule():
    # Whoever started these tests may have blocked it in its threads (libdispatch does), and children inherit that.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGALRM})


class Outbox:
    """An outbox as the daemon makes it, with messages as it writes them."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        for folder in ("tmp", "new", "cur", "done", "failed"):
            (self.path / folder).mkdir()
        (self.path / ".nudged-outbox").write_text("test\n")
        self.count = 0

    def publish(self, **changes):
        self.count += 1
        digest = hashlib.sha256(f"message {self.count}".encode()).digest()[:20]
        identity = base64.b32encode(digest).decode().lower()
        event = {
            "specversion": "1.0", "id": identity, "source": "/nudged/test", "type": "nudged.message",
            "time": "2026-03-01T12:00:00.000Z",
            "data": {
                "customer": {"id": "c", "traits": {"email": f"{SECRET}-{self.count}@example.org"}},
                "content": {"subject": "Sepetiniz", "body": f"Merhaba {SECRET}\nşu ürünler bekliyor\n"},
            },
        } | changes
        name = f"20260301T{self.count:09d}Z-{identity}.json"
        text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
        (self.path / "tmp" / name).write_text(text, encoding="utf-8")
        os.rename(self.path / "tmp" / name, self.path / "new" / name)
        return name

    def names(self, folder):
        return sorted(os.listdir(self.path / folder))

    def reason(self, name):
        return (self.path / "failed" / (name + ".reason")).read_text()


def identity(name):
    return name[20:52]


class Web:
    """An HTTP server that answers what `answer(id, attempt)` says: a status, (status, headers), or None to hang up."""

    def __init__(self, answer):
        self.requests, self.attempts, self.lock = [], collections.Counter(), threading.Lock()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                key = self.headers["Idempotency-Key"]
                with web.lock:
                    web.attempts[key] += 1
                    attempt = web.attempts[key]
                    web.requests.append((key, dict(self.headers), body, self.path))
                said = answer(key, attempt)
                if said is None:
                    self.close_connection = True
                    return
                status, headers = said if isinstance(said, tuple) else (said, {})
                self.send_response(status)
                for header in headers.items():
                    self.send_header(*header)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?shop=1"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Mail:
    """A minimal SMTP server. `answer(step, recipient, attempt)` gives the reply at CONNECT, MAIL, RCPT and DATA, None
    for the ordinary one, "hang up" to break the connection, or "accept and hang up" to take the mail and say nothing."""

    def __init__(self, answer=lambda step, recipient, attempt: None):
        self.answer, self.accepted, self.attempts = answer, [], collections.Counter()
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.serve)

    def serve(self):
        asyncio.set_event_loop(self.loop)
        self.server = self.loop.run_until_complete(asyncio.start_server(self.session, "127.0.0.1", 0))
        self.port = self.server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()
        self.server.close()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    async def session(self, reader, writer):
        recipient = None

        def reply(step, ordinary):
            self.attempts[step, recipient] += 1
            said = self.answer(step, recipient, self.attempts[step, recipient])
            if said in ("hang up", "accept and hang up"):
                raise ConnectionError(said)
            writer.write(((said or ordinary) + "\r\n").encode())
            return said is None

        try:
            if not reply("CONNECT", "220 test"):
                return
            while line := (await reader.readline()).decode().strip():
                verb = line.upper()
                if verb.startswith(("EHLO", "HELO")):
                    writer.write(b"250 test\r\n")
                elif verb.startswith("MAIL"):
                    reply("MAIL", "250 ok")
                elif verb.startswith("RCPT"):
                    recipient = line[line.index("<") + 1 : line.index(">")]
                    reply("RCPT", "250 ok")
                elif verb.startswith("DATA"):
                    writer.write(b"354 go on\r\n")
                    content = (await reader.readuntil(b"\r\n.\r\n"))[:-5]
                    try:
                        taken = reply("DATA", "250 accepted")
                    except ConnectionError as end:
                        if "accept" in str(end):
                            self.accepted.append((recipient, content))
                        raise
                    if taken:
                        self.accepted.append((recipient, content))
                elif verb.startswith("QUIT"):
                    writer.write(b"221 bye\r\n")
                    return
                else:
                    writer.write(b"250 ok\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def __enter__(self):
        self.thread.start()
        self.ready.wait()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


class SenderTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.outbox = Outbox(folder.name)
        self.said = ""

    def start(self, script, *arguments):
        command = [sys.executable, str(HERE / script), "--outbox", str(self.outbox.path), "--backoff", "0.005",
                   "--max-backoff", "0.02", "--poll", "0.01", *map(str, arguments)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        return process

    def finish(self, process, code=0):
        output, errors = process.communicate(timeout=60)
        self.said += output + errors
        self.assertEqual(process.returncode, code, self.said)

    def webhook(self, web, *arguments):
        self.finish(self.start("webhook.py", "--url", web if isinstance(web, str) else web.url, *arguments))

    def smtp(self, mail, *arguments):
        port = mail if isinstance(mail, int) else mail.port
        self.finish(self.start("smtp.py", "--host", "127.0.0.1", "--port", port, "--from", "Shop <shop@example.com>", *arguments))

    def tearDown(self):
        self.assertNotIn(SECRET, self.said, "a sender's output must not hold anything of a message")
        for name in self.outbox.names("failed"):
            if name.endswith(".reason"):
                self.assertNotIn(SECRET, (self.outbox.path / "failed" / name).read_text())


class WebhookTests(SenderTest):
    def test_posts_the_bytes_of_the_event_with_its_id_as_the_key(self):
        name = self.outbox.publish()
        bytes_published = (self.outbox.path / "new" / name).read_bytes()
        with Web(lambda key, attempt: 204) as web:
            self.webhook(web, "--once")
        (key, headers, body, path), = web.requests
        self.assertEqual(key, identity(name))
        self.assertEqual(body, bytes_published.rstrip(b"\n"))
        self.assertEqual(headers["Content-Type"], "application/cloudevents+json; charset=utf-8")
        self.assertEqual(path, "/hook?shop=1")
        self.assertEqual(self.outbox.names("done"), [name])
        self.assertEqual(self.outbox.names("cur") + self.outbox.names("new"), [])

    def test_sends_in_the_order_of_names_and_deletes_if_told_so(self):
        names = [self.outbox.publish() for _ in range(5)]
        with Web(lambda key, attempt: 200) as web:
            self.webhook(web, "--once", "--delete")
        self.assertEqual([request[0] for request in web.requests], [identity(name) for name in names])
        self.assertEqual([self.outbox.names(folder) for folder in ("new", "cur", "done", "failed")], [[]] * 4)

    def test_gives_up_what_the_server_will_never_take(self):
        name = self.outbox.publish()
        with Web(lambda key, attempt: 422) as web:
            self.webhook(web, "--once")
        self.assertEqual(len(web.requests), 1)
        self.assertEqual(self.outbox.names("failed"), [name, name + ".reason"])
        self.assertEqual(self.outbox.reason(name), "HTTP 422\n")

    def test_tries_again_with_the_same_key_after_failures_that_may_pass(self):
        name = self.outbox.publish()
        script = [503, None, (429, {"Retry-After": "900"}), 302]
        with Web(lambda key, attempt: script[attempt - 1] if attempt <= 4 else 200) as web:
            self.webhook(web, "--once")
        self.assertEqual([request[0] for request in web.requests], [identity(name)] * 5)
        self.assertEqual(self.outbox.names("done"), [name])

    def test_gives_a_message_back_when_no_attempt_helps(self):
        name = self.outbox.publish()
        for status in (500, 401, 404):
            with Web(lambda key, attempt: status) as web:
                self.webhook(web, "--once", "--attempts", 2)
            self.assertEqual(len(web.requests), 2)
            self.assertEqual(self.outbox.names("new"), [name])
            self.assertEqual(self.outbox.names("cur") + self.outbox.names("failed"), [])

    def test_does_not_wait_for_ever_for_an_answer_that_drips_in(self):
        name = self.outbox.publish()
        with socket.create_server(("127.0.0.1", 0)) as server:
            def drip():
                with server.accept()[0] as connection, contextlib.suppress(OSError):
                    while True:
                        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            thread = threading.Thread(target=drip)
            thread.start()
            self.webhook(f"http://127.0.0.1:{server.getsockname()[1]}/", "--once", "--timeout", "0.2", "--attempts", 1)
            thread.join()
        self.assertEqual(self.outbox.names("new"), [name])

    def test_refuses_a_token_of_two_lines(self):
        os.environ["WEBHOOK_AUTHORIZATION"] = "Bearer a\nb"
        self.addCleanup(os.environ.pop, "WEBHOOK_AUTHORIZATION")
        self.finish(self.start("webhook.py", "--url", "http://127.0.0.1:1/", "--once"), code=1)
        self.assertIn("has to be one line", self.said)

    def test_gives_a_message_back_when_nobody_listens(self):
        name = self.outbox.publish()
        with Web(lambda key, attempt: 200) as web:
            url = web.url
        self.webhook(url, "--once")
        self.assertEqual(self.outbox.names("new"), [name])

    def test_does_not_send_what_has_expired_or_is_no_event(self):
        expired = self.outbox.publish(expirytime="2001-01-01T00:00:00.000Z")
        foreign = self.outbox.publish(id="another id\r\nX-Header: injected")
        current = self.outbox.publish(expirytime="2999-01-01T00:00:00.000Z")
        with Web(lambda key, attempt: 200) as web:
            self.webhook(web, "--once")
        self.assertEqual([request[0] for request in web.requests], [identity(current)])
        self.assertIn("expired", self.outbox.reason(expired))
        self.assertIn("not the CloudEvent", self.outbox.reason(foreign))
        self.assertEqual(self.outbox.names("done"), [current])

    def test_leaves_foreign_files_alone(self):
        self.outbox.publish()
        (self.outbox.path / "new" / "notes.txt").write_text("mine")
        with Web(lambda key, attempt: 200) as web:
            self.webhook(web, "--once")
        self.assertEqual(self.outbox.names("new"), ["notes.txt"])

    def test_refuses_a_directory_that_is_no_outbox(self):
        (self.outbox.path / ".nudged-outbox").unlink()
        self.finish(self.start("webhook.py", "--url", "http://127.0.0.1:1/", "--once"), code=1)
        self.assertIn(".nudged-outbox", self.said)

    def test_four_senders_and_a_server_that_fails_now_and_then_deliver_each_message_once(self):
        names = [self.outbox.publish() for _ in range(100)]
        chance, lock, delivered = random.Random(7), threading.Lock(), collections.Counter()

        def answer(key, attempt):
            with lock:
                said = chance.choice([200, 200, 503, 429, None])
                delivered[key] += said == 200
                return said

        with Web(answer) as web:
            senders = [self.start("webhook.py", "--url", web.url, "--until-empty") for _ in range(4)]
            for sender in senders:
                self.finish(sender)
            self.webhook(web, "--until-empty")  # what one gave back just as the others saw nothing
        self.assertEqual(self.outbox.names("done"), sorted(names))
        self.assertEqual(delivered, {identity(name): 1 for name in names})
        self.assertEqual(self.outbox.names("new") + self.outbox.names("cur") + self.outbox.names("failed"), [])

    def test_stopped_while_backing_off_it_gives_the_message_back(self):
        name = self.outbox.publish()
        with Web(lambda key, attempt: 503) as web:
            sender = self.start("webhook.py", "--url", web.url, "--backoff", "600", "--max-backoff", "600")
            self.assertIn("trying again", sender.stderr.readline())
            sender.send_signal(signal.SIGTERM)
            self.finish(sender)
        self.assertEqual(self.outbox.names("new"), [name])

    def test_killed_after_the_answer_it_leaves_the_claim_for_the_daemon(self):
        name = self.outbox.publish()
        asked, release = threading.Event(), threading.Event()

        def answer(key, attempt):
            asked.set()
            release.wait()
            return 200

        with Web(answer) as web:
            sender = self.start("webhook.py", "--url", web.url)
            asked.wait()
            sender.kill()
            sender.communicate()
            release.set()
        self.assertEqual(self.outbox.names("cur"), [name])
        os.rename(self.outbox.path / "cur" / name, self.outbox.path / "new" / name)  # as the daemon does
        with Web(lambda key, attempt: 200) as again:
            self.webhook(again, "--once")
        self.assertEqual({request[0] for request in web.requests + again.requests}, {identity(name)})

    def test_a_message_erased_while_it_is_sent_is_not_missed(self):
        name = self.outbox.publish()

        def answer(key, attempt):
            (self.outbox.path / "cur" / name).unlink()
            return 200

        with Web(answer) as web:
            self.webhook(web, "--once")
        self.assertEqual([self.outbox.names(folder) for folder in ("new", "cur", "done", "failed")], [[]] * 4)


class SMTPTests(SenderTest):
    def recipient(self, number):
        return f"{SECRET}-{number}@example.org"

    def test_mails_subject_and_body_with_an_id_made_of_the_message_s(self):
        name = self.outbox.publish()
        with Mail() as mail:
            self.smtp(mail, "--once")
        (recipient, content), = mail.accepted
        message = email.message_from_bytes(content, policy=email.policy.default)
        self.assertEqual(recipient, self.recipient(1))
        self.assertEqual(message["Message-ID"], f"<{identity(name)}@example.com>")
        self.assertEqual(message["From"], "Shop <shop@example.com>")
        self.assertEqual(message["Subject"], "Sepetiniz")
        self.assertIn("şu ürünler bekliyor", message.get_content())
        self.assertEqual(self.outbox.names("done"), [name])

    def test_mails_html_as_html(self):
        content = {"subject": "s", "body": "<p>1 &amp; 2</p>", "content_type": "text/html"}
        self.outbox.publish(data={"customer": {"traits": {"email": "a@example.org"}}, "content": content})
        with Mail() as mail:
            self.smtp(mail, "--once")
        message = email.message_from_bytes(mail.accepted[0][1], policy=email.policy.default)
        self.assertEqual((message.get_content_type(), message.get_content().strip()), ("text/html", "<p>1 &amp; 2</p>"))

    def test_a_retraction_is_nothing_to_mail(self):
        name = self.outbox.publish(type="nudged.retract", data={"retracts": "x"})
        with Mail() as mail:
            self.smtp(mail, "--once")
        self.assertEqual((mail.accepted, self.outbox.names("done")), ([], [name]))

    def test_gives_up_a_refused_recipient_and_a_refused_mail(self):
        names = [self.outbox.publish() for _ in range(3)]
        refusals = {("RCPT", self.recipient(1)): "550 no such user", ("DATA", self.recipient(2)): "554 spam"}
        with Mail(lambda step, recipient, attempt: refusals.get((step, recipient))) as mail:
            self.smtp(mail, "--once")
        self.assertEqual(self.outbox.reason(names[0]), "SMTP 550, recipient refused\n")
        self.assertEqual(self.outbox.reason(names[1]), "SMTP 554, mail refused\n")
        self.assertEqual(self.outbox.names("done"), [names[2]])

    def test_tries_again_after_whatever_may_pass(self):
        names = [self.outbox.publish() for _ in range(4)]
        first = {("RCPT", self.recipient(1)): "451 later", ("DATA", self.recipient(2)): "452 full",
                 ("DATA", self.recipient(3)): "hang up", ("RCPT", self.recipient(4)): "hang up"}
        with Mail(lambda step, recipient, attempt: first.get((step, recipient)) if attempt == 1 else None) as mail:
            self.smtp(mail, "--once")
        self.assertEqual(sorted(recipient for recipient, _ in mail.accepted), [self.recipient(n) for n in range(1, 5)])
        self.assertEqual(self.outbox.names("done"), sorted(names))

    def test_an_answer_lost_on_the_way_is_mailed_again_under_the_same_id(self):
        self.outbox.publish()
        with Mail(lambda step, _, attempt: "accept and hang up" if step == "DATA" and attempt == 1 else None) as mail:
            self.smtp(mail, "--once")
        identities = {email.message_from_bytes(content)["Message-ID"] for _, content in mail.accepted}
        self.assertEqual((len(mail.accepted), len(identities)), (2, 1))

    def test_gives_back_what_a_wrong_configuration_keeps_from_being_sent(self):
        name = self.outbox.publish()
        for step, said in (("CONNECT", "554 no"), ("MAIL", "553 not your address"), ("CONNECT", "421 busy")):
            with Mail(lambda at, *_: said if at == step else None) as mail:
                self.smtp(mail, "--once", "--attempts", 2)
            self.assertEqual(self.outbox.names("new"), [name])
        self.smtp(mail.port, "--once")
        self.assertEqual(self.outbox.names("new"), [name])
        self.assertEqual(self.outbox.names("failed"), [])

    def test_gives_up_what_cannot_become_a_mail(self):
        customer = {"traits": {"email": "a@example.org"}}
        content = {"subject": "s", "body": "b"}
        names = [
            self.outbox.publish(data={"customer": {"traits": {}}, "content": content}),
            self.outbox.publish(data={"customer": {"traits": {"email": "a@example.org\r\nBcc: b@example.org"}}, "content": content}),
            self.outbox.publish(data={"customer": customer}),
            self.outbox.publish(data={"customer": customer, "content": {"subject": "a\r\nBcc: b@example.org", "body": "b"}}),
            self.outbox.publish(data=[]),
        ]
        with Mail() as mail:
            self.smtp(mail, "--once")
        self.assertEqual(mail.accepted, [])
        self.assertEqual(self.outbox.names("failed"), sorted(names + [name + ".reason" for name in names]))

    def test_two_senders_and_a_server_that_fails_now_and_then_mail_everything_once(self):
        names = [self.outbox.publish() for _ in range(40)]
        chance = random.Random(11)

        def answer(step, *_):
            return chance.choice([None] * 6 + ["421 busy" if step == "CONNECT" else "451 later", "hang up"])

        with Mail(answer) as mail:
            arguments = ("--host", "127.0.0.1", "--port", mail.port, "--from", "shop@example.com", "--until-empty")
            for sender in [self.start("smtp.py", *arguments) for _ in range(2)]:
                self.finish(sender)
            self.smtp(mail, "--until-empty")
        self.assertEqual(self.outbox.names("done"), sorted(names))
        self.assertEqual(len(mail.accepted), 40)
        self.assertEqual(len({recipient for recipient, _ in mail.accepted}), 40)


class ClaimTests(SenderTest):
    RACER = "import sys, claim; sys.stdin.readline(); print('won' if claim.Claim.take(*sys.argv[1:]) else 'lost', flush=True); sys.stdin.read()"

    def racer(self, name):
        process = subprocess.Popen(
            [sys.executable, "-c", self.RACER, str(self.outbox.path), name], cwd=HERE,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.stdout.close)
        return process

    def test_of_sixteen_racing_claimers_one_wins(self):
        for _ in range(3):
            name = self.outbox.publish()
            racers = [self.racer(name) for _ in range(16)]
            for racer in racers:
                racer.stdin.write("go\n")
                racer.stdin.flush()
            self.assertEqual(sorted(racer.stdout.readline() for racer in racers), ["lost\n"] * 15 + ["won\n"])
            self.assertIn(name, self.outbox.names("cur"))


if __name__ == "__main__":
    unittest.main()
