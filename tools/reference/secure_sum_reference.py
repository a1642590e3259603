"""Reference of the secure sum, in plain Python from the RFCs and the protocol's description: shares no code with libs/secure-sum. Slow, and not constant-time:
for test vectors only. Writes libs/secure-sum/vectors/v1. Run from the root of the repository, then format what was written:

    python3 tools/reference/secure_sum_reference.py && npx prettier --write libs/secure-sum/vectors

Needs nothing but the standard library. Before it writes it checks itself against the test vectors of RFC 5869, 7748, 8032 and 8439.
"""
import hashlib
import hmac
import json
import struct
from pathlib import Path

# ---------------------------------------------------------------- primitives
P = 2**255 - 19


def x25519(scalar, u):  # RFC 7748, section 5
    k = bytearray(scalar)
    k[0] &= 248
    k[31] = (k[31] & 127) | 64
    k = int.from_bytes(k, "little")
    x1 = int.from_bytes(u, "little") % 2**255
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a, c * b, a * a, b * b
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        e = aa - bb
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def x25519_public(private):
    return x25519(private, (9).to_bytes(32, "little"))


D = -121665 * pow(121666, P - 2, P) % P  # RFC 8032, section 5.1
ORDER = 2**252 + 27742317777372353535851937790883648493
BY = 4 * pow(5, P - 2, P) % P
BX = 15112221349535400772501151409588531511454012693041857206046113283949847762202


def point_add(p, q):
    (x1, y1), (x2, y2) = p, q
    m = D * x1 * x2 * y1 * y2 % P
    return ((x1 * y2 + x2 * y1) * pow(1 + m, P - 2, P) % P, (y1 * y2 + x1 * x2) * pow(1 - m, P - 2, P) % P)


def point_multiply(k, p):
    q = (0, 1)
    while k:
        if k & 1:
            q = point_add(q, p)
        p = point_add(p, p)
        k >>= 1
    return q


def point_bytes(p):
    return (p[1] | (p[0] & 1) << 255).to_bytes(32, "little")


def ed25519_expand(seed):
    h = hashlib.sha512(seed).digest()
    a = bytearray(h[:32])
    a[0] &= 248
    a[31] = (a[31] & 127) | 64
    return int.from_bytes(a, "little"), h[32:]


def ed25519_public(seed):
    return point_bytes(point_multiply(ed25519_expand(seed)[0], (BX, BY)))


def ed25519_sign(seed, message):
    a, prefix = ed25519_expand(seed)
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % ORDER
    big_r = point_bytes(point_multiply(r, (BX, BY)))
    h = int.from_bytes(hashlib.sha512(big_r + ed25519_public(seed) + message).digest(), "little")
    return big_r + ((r + h * a) % ORDER).to_bytes(32, "little")


def chacha20_block(key, counter, nonce):  # RFC 8439, section 2.3
    state = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *struct.unpack("<8I", key), counter, *struct.unpack("<3I", nonce)]
    w = list(state)

    def quarter(a, b, c, d):
        for x, y, z, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            w[x] = (w[x] + w[y]) & 0xFFFFFFFF
            v = w[z] ^ w[x]
            w[z] = (v << by | v >> 32 - by) & 0xFFFFFFFF

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<16I", *[(a + b) & 0xFFFFFFFF for a, b in zip(w, state)])


def chacha20(key, length, counter=0, nonce=bytes(12)):
    return b"".join(chacha20_block(key, counter + i, nonce) for i in range(-(-length // 64)))[:length]


def seal(key, plaintext, nonce=bytes(12), aad=b""):  # RFC 8439, section 2.8
    ciphertext = bytes(a ^ b for a, b in zip(plaintext, chacha20(key, len(plaintext), 1, nonce)))
    one_time = chacha20(key, 32, 0, nonce)
    r = int.from_bytes(one_time[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    padded = lambda data: data + bytes(-len(data) % 16)
    data = padded(aad) + padded(ciphertext) + struct.pack("<QQ", len(aad), len(ciphertext))
    accumulator = 0
    for i in range(0, len(data), 16):
        accumulator = (accumulator + int.from_bytes(data[i : i + 16] + b"\x01", "little")) * r % (2**130 - 5)
    tag = (accumulator + int.from_bytes(one_time[16:], "little")) % 2**128
    return ciphertext + tag.to_bytes(16, "little")


def hkdf(secret, salt, info, length):  # RFC 5869
    key = hmac.new(salt or bytes(32), secret, "sha256").digest()
    out, block = b"", b""
    while len(out) < length:
        block = hmac.new(key, block + info + bytes([len(out) // 32 + 1]), "sha256").digest()
        out += block
    return out[:length]


def sha256(data):
    return hashlib.sha256(data).digest()


def gf_multiply(a, b):  # GF(2^8), x^8 + x^4 + x^3 + x + 1, by shift and add
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def gf_power(a, n):
    result = 1
    for _ in range(n):
        result = gf_multiply(result, a)
    return result


def coefficients(points):
    """Of the polynomials of least degree through the points, those of x^0 first: Gauss and Jordan on the powers of x."""
    size = len(points)
    rows = [[gf_power(x, power) for power in range(size)] + list(y) for x, y in points]
    for column in range(size):
        pivot = next(i for i in range(column, size) if rows[i][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        inverse = gf_power(rows[column][column], 254)
        rows[column] = [gf_multiply(inverse, value) for value in rows[column]]
        for i in range(size):
            factor = rows[i][column]
            if i != column and factor:
                rows[i] = [a ^ gf_multiply(factor, b) for a, b in zip(rows[i], rows[column])]
    return [bytes(row[size:]) for row in rows]


def deal(secret, shares, free):
    """All shares, x = 1, 2, ...: `free` are chosen at will, by their x; the polynomials through them and the secret at 0 give the others."""
    powers = coefficients([(0, secret), *free.items()])
    result = []
    for x in range(1, shares + 1):
        share = bytearray(len(secret))
        for power, values in enumerate(powers):
            factor = gf_power(x, power)
            for k, value in enumerate(values):
                share[k] ^= gf_multiply(factor, value)
        result.append(bytes(share))
    return result


def recover(points):
    secret = bytearray(len(points[0][1]))
    for x, y in points:
        weight = 1
        for other, _ in points:
            if other != x:
                weight = gf_multiply(weight, gf_multiply(other, gf_power(other ^ x, 254)))
        for k, value in enumerate(y):
            secret[k] ^= gf_multiply(weight, value)
    return bytes(secret)


# ------------------------------------------------------------------ protocol
u16 = lambda value: value.to_bytes(2, "big")


def context(label, *numbers):
    return f"fedcarbon/secure-sum/v1/{label}\0".encode() + b"".join(map(u16, numbers))


def mask(key, length, bits):
    return [w & (2**bits - 1) for w in struct.unpack(f"<{length}I", chacha20(key, 4 * length))]


def packed(values, bits):
    digits = "".join(format(v % 2**bits, f"0{bits}b") for v in values)
    digits += "0" * (-len(digits) % 8)
    return bytes([1, bits]) + len(values).to_bytes(3, "big") + bytes(int(digits[i : i + 8], 2) for i in range(0, len(digits), 8))


def bitmap(members, size):
    digits = "".join("1" if i in members else "0" for i in range(size)).ljust(-(-size // 8) * 8, "0")
    return bytes(int(digits[i : i + 8], 2) for i in range(0, len(digits), 8))


def transcript(n, rounds, bits, vectors, dropped):
    """One block with a complete graph and one round (number 1), in which `dropped` deal shares and then fall silent."""
    t = 2 * n // 3 + 1
    everybody = range(n)
    plan_hash = sha256(b"plan of the vectors")
    session = sha256(context("session", 7) + plan_hash)
    head = lambda kind: bytes([1, kind]) + session[:8]
    identity = [sha256(b"identity %d" % i) for i in everybody]
    coordinator = sha256(b"coordinator")
    seed = [sha256(b"seed %d" % i) for i in everybody]
    derive = lambda secret, info, length: hkdf(secret, session, info, length)

    session_key = [derive(s, context("session-key"), 32) for s in seed]
    self_seed = [[derive(s, context("self-seed", r), 16) for r in range(rounds)] for s in seed]
    key_seed = [[derive(s, context("key-seed", r), 16) for r in range(rounds)] for s in seed]
    mask_key = [[derive(key_seed[i][r], context("mask-key", i, r), 32) for r in range(rounds)] for i in everybody]
    commitments = [[derive(self_seed[i][r], context("self-commitment", i, r), 16) for r in range(rounds)] for i in everybody]
    entries = []
    for i in everybody:
        body = x25519_public(session_key[i]) + b"".join(map(x25519_public, mask_key[i])) + sha256(b"".join(commitments[i]))
        entries.append(body + ed25519_sign(identity[i], context("hello", i) + session + plan_hash + body))
    hello = [head(1) + entries[i] + b"".join(commitments[i]) for i in everybody]
    roster_hash = sha256(context("roster", n) + session + plan_hash + b"".join(u16(i) + sha256(entries[i]) for i in everybody))
    views = [b"".join(u16(i) + (b"\0" + sha256(entries[i]) if i == j else b"\1" + entries[i]) for i in everybody) for j in everybody]
    rosters = [head(2) + u16(n) + view + ed25519_sign(coordinator, context("roster-signature") + roster_hash) for view in views]

    channel = lambda label, i, j: hkdf(x25519(session_key[i], x25519_public(session_key[j])), session + roster_hash, context(label, i, j), 32)
    sent_to = lambda i: sorted((i + k) % n for k in range(1, n - t + 1))  # the others compute their shares, t - 1 of them
    dealt = []
    for i in everybody:
        secret = b"".join(self_seed[i]) + b"".join(key_seed[i])
        implied = [j for j in everybody if j != i and j not in sent_to(i)]
        dealt.append(deal(secret, n, {j + 1: chacha20(channel("share", i, j), len(secret)) for j in implied}))

    sealed = lambda i, j: seal(channel("seal", i, j), dealt[i][j])
    shares = [head(3) + b"".join(sealed(i, j) for j in sent_to(i)) for i in everybody]
    delivered = [head(4) + bitmap(everybody, n) + b"".join(sealed(i, j) for i in everybody if j in sent_to(i)) for j in everybody]

    r = 1
    masked, alive = {}, [i for i in everybody if i not in dropped]
    total = [0] * len(vectors[0])
    for i in alive:
        y = [a + b for a, b in zip(vectors[i], mask(derive(self_seed[i][r], context("self-mask", i, r), 32), len(total), bits))]
        for j in everybody:
            if j != i:
                shared = x25519(mask_key[i][r], x25519_public(mask_key[j][r]))
                pair = mask(derive(shared, context("pair-mask", min(i, j), max(i, j), r), 32), len(total), bits)
                y = [a + (b if j > i else -b) for a, b in zip(y, pair)]
        masked[i] = head(5) + u16(r) + packed(y, bits)
        total = [a + b for a, b in zip(total, y)]
    survivors = head(7) + u16(r) + bitmap(alive, n)
    statement = context("survivors", r) + session + roster_hash + bitmap(everybody, n) + bitmap(alive, n)
    signature = {i: ed25519_sign(identity[i], statement) for i in alive}
    consent = {i: head(8) + u16(r) + signature[i] for i in alive}
    signers = alive[:t]
    unmask = head(9) + u16(r) + bitmap(alive, n) + bitmap(signers, n) + b"".join(signature[i] for i in signers)
    at = lambda j: 16 * (r if j in alive else rounds + r)
    answer = {i: head(10) + u16(r) + b"".join(dealt[j][i][at(j) : at(j) + 16] for j in everybody) for i in alive}

    # What client 0 must refuse once it has sent its vector, with a piece of the reason.
    padded = bytearray(bitmap(alive, n))
    padded[-1] |= 1
    old = ed25519_sign(identity[signers[-1]], statement.replace(context("survivors", r), context("survivors", 0)))
    valid = [signature[i] for i in signers]
    request = lambda u, who, what: head(9) + u16(r) + bitmap(u, n) + bitmap(who, n) + b"".join(what)
    bad = [
        ("a signature too few", request(alive, signers[:-1], valid[:-1]), f"{t - 1} valid signatures"),
        ("a signature of another round among them", request(alive, signers, valid[:-1] + [old]), f"{t - 1} valid signatures"),
        ("the signatures under other names", request(alive, signers, valid[1:] + valid[:1]), "0 valid signatures"),
        ("the signatures of another set of survivors", request(alive[:-1], signers, valid),
         f"{t - 1} survivors" if len(alive) == t else "valid signatures"),
        ("survivors below the minimum", head(7) + u16(r) + bitmap(alive[: t - 1], n), f"{t - 1} survivors"),
        ("survivors without the client", head(7) + u16(r) + bitmap(range(1, n), n), "not in the sum"),
        ("a bit set in the padding", head(7) + u16(r) + bytes(padded), "padding"),
        ("a round beyond the block", head(7) + u16(rounds) + bitmap(alive, n), f"round {rounds}"),
        ("a byte too many", survivors + b"\0", "expected"),
        ("a byte too few", unmask[:-1], "too few"),
        ("another session", bytes([1, 7]) + bytes(8) + survivors[10:], "another session"),
        ("version 2", b"\x02" + survivors[1:], "unknown"),
    ]

    # Opened from the answers alone, and compared with the plain sum.
    given = lambda i, j: answer[i][12 + 16 * j : 28 + 16 * j]
    for j in everybody:
        secret = recover([(i + 1, given(i, j)) for i in alive[:t]])
        if j in alive:
            own = mask(derive(secret, context("self-mask", j, r), 32), len(total), bits)
            total = [a - b for a, b in zip(total, own)]
        else:
            private = derive(secret, context("mask-key", j, r), 32)
            for i in alive:
                shared = x25519(private, x25519_public(mask_key[i][r]))
                pair = mask(derive(shared, context("pair-mask", min(i, j), max(i, j), r), 32), len(total), bits)
                total = [a - (b if j > i else -b) for a, b in zip(total, pair)]
    total = [a % 2**bits for a in total]
    assert total == [sum(vectors[i][k] for i in alive) % 2**bits for k in range(len(total))]

    by_member = lambda messages: {str(i): m.hex() for i, m in messages.items()}
    return {
        "planHash": plan_hash.hex(), "blockNumber": 7, "session": session.hex(), "rounds": rounds, "round": r, "bits": bits,
        "identitySeeds": [s.hex() for s in identity], "coordinatorSeed": coordinator.hex(), "clientSeeds": [s.hex() for s in seed],
        "vectors": vectors, "dropped": sorted(dropped), "hello": [m.hex() for m in hello], "rosterHash": roster_hash.hex(),
        "roster": [m.hex() for m in rosters], "shares": [m.hex() for m in shares], "delivered": [m.hex() for m in delivered],
        "masked": by_member(masked), "survivors": survivors.hex(), "consent": by_member(consent), "unmask": unmask.hex(),
        "answer": by_member(answer), "sum": total,
        "bad": [{"name": name, "message": message.hex(), "reason": reason} for name, message, reason in bad],
    }


def two_servers(n, rounds, bits, vectors, silent, noise):
    """One round (number 1) with two servers, in which `silent` send nothing."""
    plan_hash = sha256(b"plan of the vectors")
    session = sha256(context("session", 8) + plan_hash)
    head = lambda kind: bytes([1, kind]) + session[:8]
    r, length = 1, len(vectors[0])
    helper = sha256(b"helper")
    seed = [sha256(b"helper seed %d" % i)[:16] for i in range(n)]
    ephemeral = [sha256(b"ephemeral %d" % i) for i in range(n)]
    alive = [i for i in range(n) if i not in silent]
    masked, sealed, masks = {}, b"", list(noise)
    for i in alive:
        public = x25519_public(ephemeral[i])
        info = context("helper-seal", i, r) + public + x25519_public(helper)
        piece = public + seal(hkdf(x25519(ephemeral[i], x25519_public(helper)), session, info, 32), seed[i])
        statement = context("sealed-seed", i, r, bits, length >> 16, length & 0xFFFF) + session + piece
        piece += ed25519_sign(bytes(32), statement)
        own = mask(hkdf(seed[i], session, context("helper-mask", i, r), 32), length, bits)
        masked[str(i)] = (head(5) + u16(r) + packed([a - b for a, b in zip(vectors[i], own)], bits) + piece).hex()
        sealed += piece
        masks = [a + b for a, b in zip(masks, own)]
    total = [(noise[k] + sum(vectors[i][k] for i in alive)) % 2**bits for k in range(length)]
    return {
        "planHash": plan_hash.hex(), "blockNumber": 8, "rounds": rounds, "round": r, "bits": bits, "helperPrivateKey": helper.hex(),
        "helperKey": x25519_public(helper).hex(), "seeds": [s.hex() for s in seed], "ephemeralKeys": [e.hex() for e in ephemeral],
        "vectors": vectors, "silent": sorted(silent), "noise": noise, "masked": masked,
        "request": (head(11) + u16(r) + bytes([bits]) + length.to_bytes(3, "big") + bitmap(alive, n) + sealed).hex(),
        "maskSum": (head(12) + u16(r) + bitmap([], n) + packed(masks, bits)).hex(), "sum": total,
    }


# ------------------------------------------------------------------- vectors
def check(found, expected):
    assert found.hex() == expected, f"found {found.hex()}, expected {expected}"


def check_primitives():
    alice = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    bob = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    check(x25519_public(alice), "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    check(x25519(alice, x25519_public(bob)), "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
    check(hkdf(b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42),
          "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
    check(chacha20(bytes(32), 32), "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7")
    sunscreen = (b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
                 b"sunscreen would be it.")
    check(seal(bytes(range(0x80, 0xA0)), sunscreen, bytes.fromhex("070000004041424344454647"),
               bytes.fromhex("50515253c0c1c2c3c4c5c6c7"))[-16:], "1ae10b594f09e26a7e902ecbd0600691")
    check(ed25519_public(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")),
          "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


def numbers(label, count, bound):
    return [int.from_bytes(sha256(f"{label} {i}".encode())[:4], "big") % bound for i in range(count)]


def octets(label, count):
    return bytes(numbers(label, count, 256))


def primitive_vectors():
    secret, salt = octets("secret", 32), octets("salt", 32)
    yield "hkdf", [{"secret": secret.hex(), "salt": s.hex(), "info": context("self-seed", 3).hex(), "length": n,
                    "output": hkdf(secret, s, context("self-seed", 3), n).hex()} for s, n in ((salt, 16), (salt, 32), (b"", 80))]
    yield "seal", [{"key": secret.hex(), "plaintext": octets("text", n).hex(), "sealed": seal(secret, octets("text", n)).hex()}
                   for n in (0, 16, 65)]
    yield "masks", [{"key": secret.hex(), "bits": bits, "mask": mask(secret, 40, bits)} for bits in (2, 10, 12, 31)]
    cases = []
    for shares, at, size in ((1, [], 4), (5, [1, 4, 5], 32), (20, [*range(2, 15)], 3), (255, [255], 2)):
        text, free = octets(f"shared {shares}", size), {x: octets(f"share {x} of {shares}", size) for x in at}
        dealt = deal(text, shares, free)
        assert recover([(x, dealt[x - 1]) for x in range(shares - len(at), shares + 1)]) == text
        assert all(dealt[x - 1] == free[x] for x in at)
        cases.append({"secret": text.hex(), "free": {str(x): free[x].hex() for x in at}, "shares": [share.hex() for share in dealt]})
    yield "shamir", cases


if __name__ == "__main__":
    check_primitives()
    folder = Path("libs/secure-sum/vectors/v1")
    folder.mkdir(parents=True, exist_ok=True)
    provenance = {"generator": "tools/reference/secure_sum_reference.py", "version": 1,
                  "inputs": "SHA-256 of fixed labels; no real data"}
    vectors = [[v - 500 for v in numbers(f"vector {i}", 6, 1001)] for i in range(5)]
    cases = [{"name": "nobody drops out", **transcript(5, 2, 12, vectors, set())},
             {"name": "client 2 drops out after dealing", **transcript(5, 2, 10, vectors, {2})}]
    write = lambda name, content: (folder / name).write_text(json.dumps({"provenance": provenance, **content}))
    write("primitives.json", dict(primitive_vectors()))
    write("double-masking.json", {"cases": cases})
    write("two-servers.json", {"cases": [two_servers(4, 2, 11, vectors[:4], {1}, [3, -5, 0, 900, -900, 1])]})
