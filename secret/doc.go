// Package secret makes, hashes and checks the shared secrets of machine users. A check
// gets a presented secret and the candidates, the stored hashes it may belong to, and
// returns the index of the one that matches. Whose secrets they are is not known here.
//
// # Two comparisons
//
// A stored secret is an argon2id hash (RFC 9106): 19 MiB and two passes, 20 to 40 ms
// of one core. That protects stolen hashes, and imported secrets that have less than
// the 256 random bits of New. A call cannot pay for it every time, so a secret that
// argon2 verified is cached: as its HMAC-SHA256, under a key that only this process
// has and that ends with it.
//
// A candidate with a cached HMAC is warm, the others are cold. A hash has one secret,
// so a warm candidate is compared by HMAC only, in about a microsecond, whether it
// matches or not; argon2 runs for cold candidates only. A cache entry is for one
// candidate's ID, Version and Hash. Only a right secret makes one, so an attacker
// cannot evict entries. Calls that present the same secret at once share one run of
// argon2.
//
// Whether a credential is pending, active, retiring or revoked is not checked here. To
// stop a credential from working, leave it out of the candidates, or look at its state
// after it matched. A candidate whose match only explains a denial is Spent. It is
// compared by its cached HMAC, if there is one from the time it was in use. If not,
// argon2 runs only if a slot is free, and for each client twice in a row and then once
// a minute; beyond that, a retired secret is refused like a wrong one. A credential
// that is registered but not used yet stays cold, so wrong secrets for its client cost
// runs of argon2.
//
// # What an attacker can and cannot do
//
// Wrong guesses are limited for each pair of client id and source. Only attempts that
// need argon2 count: 10 wrong ones in a row and one more every 10 s, then
// authz.ErrSecretThrottled. Right ones do not count, nor those that compared nothing.
//
// A warm machine user cannot be locked out, throttled or slowed down: its secret is
// compared before anything is counted. Guesses at it cost some 1.2 µs each, are not
// limited, and cannot succeed against a secret of 256 bits. Against a weak imported
// secret, their number is limited only by what the surface lets through: limit the
// requests, and rotate such secrets.
//
// A cold machine user is one whose secret this node has not verified since it started,
// or since the credential changed. There
//
//   - an attacker with one source has 10 guesses and then 8,640 a day, and uses up the
//     guesses of that source only;
//   - an attacker with N sources has N times that, N/10 a second in the long run. All
//     of it is limited by MaxConcurrent: half the cores. One core makes some 30 runs a
//     second, which N = 300 use up; limits start to be evicted (MaxClientKeys) far
//     beyond that, and it makes no difference then;
//   - when runs are short, they are shared fairly. Known sources come first, one of
//     each in turn: those that proved this client by argon2 before, or that the caller
//     says are Familiar. They wait for the run in progress and for each other, not for
//     attackers. Then come the other sources, one of each client in turn. An attacker
//     who guesses at K clients, from however many sources, makes the first use of
//     another client wait for K+1 runs, so within Wait that succeeds while K is under
//     some 15 for each core of MaxConcurrent;
//   - the first use of the attacked client itself, on a fresh node, from an unknown
//     source, competes with the attacker's N sources: of A guesses a second about 30
//     for each core are served, so that a try succeeds with probability 30/A. Otherwise
//     it is authz.ErrSecretBusy, at once or after Wait, never authz.ErrSecretThrottled.
//     One success ends it: the client is warm then, for every source.
//
// A source is worth what the caller knows about it. If the attacker can choose it (an
// address copied from a header that is not authenticated), N is unlimited. With an
// empty Source all callers share one limit, and an attacker can use up the guesses of
// a cold machine user.
//
// # Timing
//
// Secrets, HMACs and argon2 tags are compared in constant time, and all candidates of
// one kind are compared whichever matches. An unknown client (no candidates) is refused
// at once, without a dummy run of argon2. That takes as long as a wrong secret for a
// warm client, which nearly every client in use is; a dummy run would tell the two
// apart, and let an attacker use up runs with made-up names. What timing does tell is
// that a client has a credential this node has not yet seen in use; client ids are not
// secret (RFC 6749 section 2.2).
//
// # Guarantees
//
//   - No secret or hash is in an error or in any text form of an Attempt. None is
//     retained after the call; HMACs and their key never leave the process.
//   - A hash is used only if ValidateHash accepts it, so one run costs at most 64 MiB
//     and four passes (some 300 ms), wherever the hash was made.
//   - Memory is limited: full, with the defaults, the limits take some 15 MB, cached
//     HMACs and known sources together some 40 MB. Each client has at most 32 attempts
//     waiting, and each known source as many more. Runs take MaxConcurrent times 19 to
//     64 MiB.
//   - There are no goroutines, no I/O and no log.
//
// After a restart everything is cold. A node warms up at some 30 clients a second for
// each core of MaxConcurrent; attempts beyond that wait, and get authz.ErrSecretBusy
// after Wait.
package secret
