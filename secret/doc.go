// Package secret makes, hashes and checks the shared secrets of machine users. It
// knows nothing of who they are: it is handed a secret and the candidates it may
// be of, and says which one it is.
//
// # Two checks
//
// What is kept of a secret is its argon2id hash (RFC 9106): 19 MiB and two passes,
// 20 to 40 ms of one core. That is for the day the hashes are stolen, and for
// imported secrets that are less than the 256 random bits New gives. A call cannot
// pay it every time, so what argon2 proved once is remembered as a mark: the
// HMAC-SHA256 of the secret, under a key that only this process has and that ends
// with it.
//
// A candidate with a mark is warm. A hash has one secret, so a warm candidate is
// judged by its mark alone, in about a microsecond, whether it matches or not;
// argon2 runs for cold candidates only. A mark holds for one candidate's ID,
// Version and Hash. Only a right secret leaves a mark, so strangers cannot push
// marks out. Many calls that bring one secret at once share one run.
//
// Whether a credential is pending, active, retiring or revoked is not judged here.
// Who wants a credential to stop working leaves it out of the candidates, or looks
// at its state once it matched; one whose match only explains a denial is Spent. A
// spent one is compared by its mark, which it keeps from its better days, and else
// by argon2 twice in a row and once a minute for each client, while a turn is free:
// then a wrong secret is not told apart from a retired one. A candidate that is not
// used yet stays cold, and makes wrong secrets for its client cost runs.
//
// # What a stranger can and cannot do
//
// A guesser is a client id and a source. Only attempts that need argon2 count: a
// guesser has 10 wrong ones in a row and one more every 10 s, then authz.ErrSecretThrottled.
// A right one is not counted, nor one that compared nothing.
//
// A warm machine user cannot be locked out, throttled or slowed by anybody: its
// secret is compared before anything is counted. Guesses at it cost some 1.2 µs
// each, are not throttled, and get nowhere with a secret of 256 bits. With a weak
// imported secret they are as many as the surface lets through: whoever imports
// such secrets should limit requests, and rotate.
//
// A cold machine user is one this node has not seen since it started, or since the
// credential changed. There
//
//   - a stranger with one source has 10 guesses and then 8,640 a day, and uses up
//     the guesses of its own source only;
//   - a stranger with N sources has N times that, N/10 a second in the long run.
//     What they can take together is bounded by MaxConcurrent: half the cores.
//     One core makes some 30 runs a second, which N = 300 use up; forgetting
//     guessers (MaxGuessers) begins far beyond that and changes nothing;
//   - once turns are short they are shared out. First come sources with a record
//     (they proved this client by argon2 before, or the caller says they are
//     Familiar), one of each in turn: they wait for the run in progress and for
//     each other, not for strangers. Then the other sources, one of each client in
//     turn. A stranger at K clients, however many its sources, makes the first use
//     of another client wait K+1 runs, so within Wait that succeeds while K is
//     under some 15 for each core of MaxConcurrent;
//   - the first use of the very client that is attacked, on a fresh node, from a
//     source without a record, competes with the stranger's N sources: of A guesses
//     a second about 30 for each core are served, so that a try succeeds with
//     probability 30/A or is authz.ErrSecretBusy at once or after Wait, never authz.ErrSecretThrottled. One
//     success ends it: the client is warm then, for every source.
//
// Sources are only worth what the caller knows. One the stranger chooses freely (an
// address copied from a header nobody vouches for) gives it any N. An empty Source
// makes one guesser of everybody, and lets a stranger use up a cold machine user's
// guesses.
//
// # Time
//
// Secrets, marks and tags are compared in constant time, and all candidates of one
// kind are compared whichever matches. An unknown client (no candidates) is
// refused at once, without a run of argon2 for show: that takes as long as a wrong
// secret for a warm client, which is what nearly every client in use is, while a
// run for show would tell the two apart, and would let strangers use up turns with
// names they make up. What the time does tell is that a client has a credential
// this node has not yet seen used; client ids are no secrets (RFC 6749 section
// 2.2).
//
// # Guarantees
//
//   - No secret or hash is in an error or in any text form of an Attempt. None is
//     kept beyond the call; marks and their key never leave the process.
//   - A hash is used only when ValidateHash accepts it, so one run costs at most
//     64 MiB and four passes (some 300 ms), whoever made the hash.
//   - Memory is bounded: full, with the defaults, guessers take some 15 MB, marks
//     and records together some 40 MB, and each client has at most 32 attempts
//     waiting, with as many more for each source with a record. Runs take
//     MaxConcurrent times 19 to 64 MiB.
//   - There are no goroutines, no I/O and no log.
//
// After a restart everything is cold. A node warms up at some 30 clients a second
// for each core of MaxConcurrent; those that come faster wait, and get authz.ErrSecretBusy
// after Wait.
package secret
