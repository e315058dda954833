package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// Limits of an import.
const (
	// MaxLine is the longest line accepted, in bytes.
	MaxLine = 1 << 20
	// MaxLineErrors is how many bad lines a report describes; it counts them all.
	MaxLineErrors = 1000

	chunkLines = 8000
	chunkBytes = 2 << 20
)

// ImportOptions change how an import goes.
type ImportOptions struct {
	// Progress, when set, is called after each chunk, never twice at a time.
	Progress func(ImportProgress)
	// Check, when set, holds each entity to more than Validate does; what it
	// refuses is a bad line. It is called by several goroutines at once.
	Check func(authz.Entity) error
	// Around, when set, is called for each chunk and commits it by calling commit, with
	// its own context or one made of it; not for one of blank lines alone. It has the lines and their digest, what commit
	// returns has what became of them and the revision that did. An error of it ends
	// the import, and it has to return one when it does not call commit.
	Around func(ctx context.Context, chunk authz.ImportedChunk, commit func(context.Context) (authz.ImportedChunk, uint64, error)) error
}

// ImportProgress is how far an import has come.
type ImportProgress = authz.ImportProgress

// Import puts the entities of NDJSON lines {"collection":"users","entity":{...}}.
// Lines are written in chunks, each one write: after an error or a crash, the
// chunks before it are there whole and the rest is not. Importing the same lines
// again changes nothing and takes no revision. A bad line is reported by number
// and the others of its chunk are kept. An error ends the import; the report
// then tells what was done before it.
func (s *Store) Import(ctx context.Context, r io.Reader, options ImportOptions) (authz.ImportReport, error) {
	report := authz.ImportReport{Errors: []authz.LineError{}}
	err := s.importChunks(ctx, r, options.Check, func(c *chunk) error {
		err := s.aroundChunk(ctx, c, &report, options.Around)
		if err == nil && options.Progress != nil {
			options.Progress(ImportProgress{Lines: report.Lines, Bytes: c.end})
		}
		return err
	})
	report.Revision = s.Revision()
	return report, err
}

// chunk is a stretch of lines that is committed as one write.
type chunk struct {
	first  int // number of its first line
	lines  []line
	end    int64         // bytes of input up to its end
	digest string        // of its lines
	parsed chan struct{} // closed when lines have their op or err
}

type line struct {
	data []byte
	op   operation
	err  error
	skip bool // blank
}

// importChunks reads chunks, parses them on every processor, and hands them to
// commit in order.
func (s *Store) importChunks(ctx context.Context, r io.Reader, check func(authz.Entity) error, commit func(*chunk) error) error {
	workers := runtime.GOMAXPROCS(0)
	group, ctx := errgroup.WithContext(ctx)
	toParse := make(chan *chunk)
	toCommit := make(chan *chunk, workers) // bounds how many chunks are in memory
	group.Go(func() error {
		defer close(toParse)
		defer close(toCommit)
		return readChunks(ctx, r, toParse, toCommit)
	})
	for range workers {
		group.Go(func() error {
			for c := range toParse {
				c.parse(check)
			}
			return nil
		})
	}
	group.Go(func() error {
		for c := range toCommit {
			<-c.parsed
			if err := commit(c); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

func readChunks(ctx context.Context, r io.Reader, toParse, toCommit chan<- *chunk) error {
	reader := &lineReader{in: bufio.NewReaderSize(r, 64<<10)}
	for {
		c, err := reader.chunk()
		if len(c.lines) > 0 {
			for _, next := range []chan<- *chunk{toParse, toCommit} {
				select {
				case next <- c:
				case <-ctx.Done():
					return &authz.Error{Code: authz.CodeUnavailable, Message: "the import ended before its input did: the request ended first", Cause: ctx.Err()}
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &authz.Error{Code: authz.CodeInvalid, Message: "the input could not be read to its end; what was read is imported, send the rest again", Cause: err}
		}
	}
}

// lineReader cuts the input into chunks of lines.
type lineReader struct {
	in     *bufio.Reader
	number int
	bytes  int64
}

// chunk reads the next lines. They are valid also when it returns an error.
func (l *lineReader) chunk() (*chunk, error) {
	c := &chunk{first: l.number + 1, parsed: make(chan struct{})}
	for size := 0; len(c.lines) < chunkLines && size < chunkBytes; {
		before := l.bytes
		next, err := l.line()
		if errors.Is(err, io.EOF) && l.bytes == before {
			return c, err
		}
		l.number++
		size += len(next.data)
		c.lines = append(c.lines, next)
		c.end = l.bytes
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

// line reads one line of any length, keeping no more of it than is accepted.
func (l *lineReader) line() (line, error) {
	var data []byte
	tooLong := false
	for {
		part, err := l.in.ReadSlice('\n')
		l.bytes += int64(len(part))
		if tooLong = tooLong || len(data)+len(part) > MaxLine; tooLong {
			data = nil
		} else {
			data = append(data, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if tooLong {
			return line{err: authz.Errorf(authz.CodeTooLarge, "the line is longer than %d bytes", MaxLine)}, err
		}
		return line{data: data}, err
	}
}

func (c *chunk) parse(check func(authz.Entity) error) {
	defer close(c.parsed)
	sum := sha256.New()
	defer func() { c.digest = "sha256:" + hex.EncodeToString(sum.Sum(nil)) }()
	for i := range c.lines {
		l := &c.lines[i]
		sum.Write(l.data)
		if l.err != nil {
			continue
		}
		if l.skip = len(bytes.TrimSpace(l.data)) == 0; l.skip {
			continue
		}
		l.op, l.err = parseLine(l.data, check)
		l.data = nil
	}
}

// parseLine makes an operation of one line.
func parseLine(data []byte, check func(authz.Entity) error) (operation, error) {
	entity, err := parseEntity(data)
	if err != nil {
		return operation{}, err
	}
	op, err := prepare(Op{Entity: entity})
	if err == nil && check != nil {
		err = check(entity)
	}
	op.intent = unlessSame
	return op, err
}

// lineStart is how Export begins a line. Lines that begin so are read in one
// pass, others in two.
const lineStart = `{"collection":"`

func parseEntity(data []byte) (authz.Entity, error) {
	if rest, ok := bytes.CutPrefix(data, []byte(lineStart)); ok {
		name, _, _ := bytes.Cut(rest, []byte{'"'})
		if c := authz.Collection(name); c.Known() {
			return parseKnown(data, c.New())
		}
	}
	var envelope struct {
		Collection authz.Collection `json:"collection"`
		Entity     json.RawMessage  `json:"entity"`
	}
	if err := ijson.Unmarshal(data, &envelope); err != nil {
		return nil, err
	}
	if envelope.Collection == "" {
		return nil, authz.Invalid("collection", "is required")
	}
	if !envelope.Collection.Known() {
		return nil, unknownCollection(envelope.Collection)
	}
	if len(envelope.Entity) == 0 || string(envelope.Entity) == "null" {
		return nil, authz.Invalid("entity", "is required")
	}
	entity := envelope.Collection.New()
	return entity, ijson.Unmarshal(envelope.Entity, entity)
}

// parseKnown reads a line whose collection is known to be that of entity.
func parseKnown(data []byte, entity authz.Entity) (authz.Entity, error) {
	envelope := struct {
		Collection authz.Collection `json:"collection"`
		Entity     authz.Entity     `json:"entity"`
	}{Entity: entity}
	if err := ijson.Unmarshal(data, &envelope); err != nil {
		return nil, withoutEnvelope(err)
	}
	if envelope.Entity == nil || *entity.Head() == (authz.Header{}) && !bytes.Contains(data, []byte(`"entity"`)) {
		return nil, authz.Invalid("entity", "is required")
	}
	return entity, nil
}

// withoutEnvelope names the member within the entity, as one pass or two do alike.
func withoutEnvelope(err error) error {
	var ours *authz.Error
	if errors.As(err, &ours) {
		ours.Field = strings.TrimPrefix(ours.Field, "entity.")
	}
	return err
}

// aroundChunk is importChunk within what options have around it.
func (s *Store) aroundChunk(ctx context.Context, c *chunk, report *authz.ImportReport, around func(context.Context, authz.ImportedChunk, func(context.Context) (authz.ImportedChunk, uint64, error)) error) error {
	if around == nil || !slices.ContainsFunc(c.lines, func(l line) bool { return !l.skip }) {
		return s.importChunk(ctx, c, report) // there is no Around, or nothing but blank lines
	}
	lines := authz.ImportedChunk{First: c.first, Last: c.first + len(c.lines) - 1, Digest: c.digest}
	return around(ctx, lines, func(ctx context.Context) (authz.ImportedChunk, uint64, error) {
		before := *report
		report.Revision = 0 // until the chunk has made one
		err := s.importChunk(ctx, c, report)
		did := lines
		did.Written, did.Unchanged, did.Failed = report.Written-before.Written, report.Unchanged-before.Unchanged, report.Failed-before.Failed
		return did, report.Revision, err
	})
}

// importChunk commits a parsed chunk and adds what became of it to report.
func (s *Store) importChunk(ctx context.Context, c *chunk, report *authz.ImportReport) error {
	w := &write{ops: make([]operation, 0, len(c.lines)), lenient: true, by: authz.ChangeOf(ctx)}
	numbers := make([]int, 0, len(c.lines)) // of the lines in w.ops
	for i := range c.lines {
		l := &c.lines[i]
		switch {
		case l.skip:
		case l.err != nil:
			failLine(report, c.first+i, l.err)
		default:
			w.ops = append(w.ops, l.op)
			numbers = append(numbers, c.first+i)
		}
	}
	if err := s.importOps(ctx, w, numbers, report); err != nil {
		return err
	}
	report.Lines += len(c.lines)
	return nil
}

// importOps commits w, in halves when it is too large for one write.
func (s *Store) importOps(ctx context.Context, w *write, numbers []int, report *authz.ImportReport) error {
	if len(w.ops) == 0 {
		return nil
	}
	err := s.submit(ctx, w)
	if authz.CodeOf(err) == authz.CodeTooLarge && len(w.ops) > 1 {
		half := len(w.ops) / 2
		for _, part := range []struct {
			ops     []operation
			numbers []int
		}{{w.ops[:half], numbers[:half]}, {w.ops[half:], numbers[half:]}} {
			smaller := &write{ops: part.ops, lenient: true, by: w.by}
			if err := s.importOps(ctx, smaller, part.numbers, report); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil {
		return err
	}
	report.Revision = max(report.Revision, w.revision)
	for i, out := range w.outcomes {
		switch {
		case out.err != nil:
			failLine(report, numbers[i], out.err)
		case out.changed:
			report.Written++
		default:
			report.Unchanged++
		}
	}
	return nil
}

// failLine adds a bad line to a report.
func failLine(r *authz.ImportReport, number int, err error) {
	r.Failed++
	if len(r.Errors) >= MaxLineErrors {
		return
	}
	bad := authz.LineError{Line: number, Message: "line " + strconv.Itoa(number) + " cannot be read"}
	var ours *authz.Error
	if errors.As(err, &ours) {
		bad.Field, bad.Message = ours.Field, ours.Message
	}
	r.Errors = append(r.Errors, bad)
}
