#!/usr/bin/python3
"""SigV4 by its definition, for tests: as a client (s3.py ENDPOINT KEYID SECRET METHOD PATH makes one request), and for fake_s3.py to check what ours signed."""
import datetime
import hashlib
import hmac
import sys
import urllib.parse
import urllib.request


def key_of(secret, date, region):
    key = ("AWS4" + secret).encode()
    for word in (date, region, "s3", "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return key


def signature(secret, region, method, path, query, headers, signed, time):
    """headers: lower-case names; signed: the names that count, in order; query as sent."""
    pairs = sorted(p if "=" in p else p + "=" for p in query.split("&") if p)
    canonical = "\n".join([method, path, "&".join(pairs), "".join(f"{n}:{' '.join(headers[n].split())}\n" for n in signed), ";".join(signed),
                           headers["x-amz-content-sha256"]])
    text = "\n".join(["AWS4-HMAC-SHA256", time, f"{time[:8]}/{region}/s3/aws4_request", hashlib.sha256(canonical.encode()).hexdigest()])
    return hmac.new(key_of(secret, time[:8], region), text.encode(), hashlib.sha256).hexdigest()


def main():
    endpoint, key, secret, method, path = sys.argv[1:]
    time = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": urllib.parse.urlparse(endpoint).netloc, "x-amz-content-sha256": hashlib.sha256(b"").hexdigest(), "x-amz-date": time}
    signed = sorted(headers)
    value = signature(secret, "us-east-1", method, path, "", headers, signed, time)
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={key}/{time[:8]}/us-east-1/s3/aws4_request, SignedHeaders={';'.join(signed)}, "
                                f"Signature={value}")
    request = urllib.request.Request(endpoint + path, method=method, headers=headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        sys.stdout.write(answer.read().decode())


if __name__ == "__main__":
    main()
