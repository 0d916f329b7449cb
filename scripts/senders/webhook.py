#!/usr/bin/env python3
"""Posts every message of an outbox to a URL, as the CloudEvent that it is.

The header Idempotency-Key carries the message's id. 2xx is success. A status of --permanent means that this message will
never be accepted; everything else (other statuses, redirects, time-outs, broken connections) may pass, also a wrong
token or a wrong path, so that a mistake in the configuration does not send a whole outbox to failed/.
"""

import http.client
import os
import ssl
import urllib.parse

import claim


def arguments(parser):
    environment = os.environ.get
    parser.add_argument("--url", default=environment("WEBHOOK_URL"), help="WEBHOOK_URL")
    parser.add_argument("--authorization-env", default="WEBHOOK_AUTHORIZATION", help="variable with the Authorization header")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for connecting, and for the answer")
    parser.add_argument("--permanent", default="400,409,410,411,413,414,415,422,431", help="statuses that end a message")


def sender(options):
    url = urllib.parse.urlsplit(options.url or "")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise SystemExit("give the URL to post to, with --url or WEBHOOK_URL: http(s)://host/path")
    target = urllib.parse.urlunsplit(("", "", url.path or "/", url.query, ""))
    permanent = {int(status) for status in options.permanent.split(",") if status}
    authorization = os.environ.get(options.authorization_env)
    if authorization and not authorization.isprintable():
        raise SystemExit(f"{options.authorization_env} has to be one line, without control characters")

    def send(event, body):
        headers = {"Content-Type": "application/cloudevents+json; charset=utf-8", "Idempotency-Key": event["id"]}
        if authorization:
            headers["Authorization"] = authorization
        if url.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=options.timeout, context=context)
        else:
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=options.timeout)
        try:
            with claim.deadline(2 * options.timeout):
                connection.request("POST", target, body=body.rstrip(b"\n"), headers=headers)
                response = connection.getresponse()
            status, after = response.status, response.headers.get("Retry-After", "")
        except (OSError, http.client.HTTPException) as failure:
            raise claim.Temporary(type(failure).__name__) from None
        finally:
            connection.close()
        if 200 <= status < 300:
            return
        if status in permanent:
            raise claim.Permanent(f"HTTP {status}")
        raise claim.Temporary(f"HTTP {status}", float(after) if after.isdecimal() else None)

    return send


if __name__ == "__main__":
    claim.main("Posts every message of an outbox to a URL.", arguments, sender)
