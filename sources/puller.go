package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Config is what a Puller needs. Push must be given, and Pack when there is a folder.
type Config struct {
	Sources []Source // by name, each bundle from one source
	// Push takes a bundle as packed (a gzipped tar) and where it comes from: a URL
	// without query, or authz.SourceFolder. activated says that it is active now, or
	// was already; false with no error, that it waits to be activated. An
	// *authz.Error is shown in Status with its message.
	Push func(ctx context.Context, name string, body io.Reader, source string) (activated bool, err error)
	// Pack packs a folder: the same bytes for the same files.
	Pack func(io.Writer, fs.FS) error
	// Transport fetches; nil means http.DefaultTransport. It must honour the
	// request's context.
	Transport http.RoundTripper
	// Debounce is how long a folder must stay the same; 0 or less means 250 ms.
	Debounce time.Duration
	// Now is the clock of Status and of back-offs; nil means time.Now. Waits run on
	// the system's clock.
	Now func() time.Time
	// Random spreads delays, in [0, 1); nil means rand.Float64.
	Random func() float64
	// Log receives what was pulled and what failed; nil discards it.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Debounce <= 0 {
		c.Debounce = 250 * time.Millisecond
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Puller pulls bundles. Its contract is the package's.
type Puller struct {
	feeds []*feed
}

// New makes a Puller that has asked no source yet. The error names the source at fault.
func New(config Config) (*Puller, error) {
	config = config.withDefaults()
	p := &Puller{}
	if err := Validate(config.Sources); err != nil {
		return nil, err
	}
	for _, s := range config.Sources {
		if config.Push == nil || s.Folder != "" && config.Pack == nil {
			return nil, authz.Errorf(authz.CodeInternal, "sources need Config.Push, and folders Config.Pack")
		}
		s, err := s.absolute()
		if err != nil {
			return nil, err
		}
		p.feeds = append(p.feeds, newFeed(s.withDefaults(), config))
	}
	return p, nil
}

// Validate reports what of the sources cannot be. The error names the source at fault.
func Validate(all []Source) error {
	named := map[string]bool{}
	for i, s := range all {
		if err := s.Validate(); err != nil {
			return at(i, err)
		}
		if named[s.Name] {
			return at(i, authz.Invalid("name", s.Name+" has a source already; a bundle comes from one"))
		}
		named[s.Name] = true
	}
	return nil
}

// at is err with the source that it is about.
func at(i int, err error) error {
	var fault *authz.Error
	if !errors.As(err, &fault) {
		return fmt.Errorf("sources[%d]: %w", i, err)
	}
	return authz.Invalid(fmt.Sprintf("sources[%d].%s", i, fault.Field), fault.Message)
}

// Run pulls until ctx ends, and waits for the attempts under way. It never
// fails: what fails is in Status. It is called once.
func (p *Puller) Run(ctx context.Context) error {
	var feeds sync.WaitGroup
	for _, f := range p.feeds {
		feeds.Go(func() { f.run(ctx) })
	}
	feeds.Wait()
	return nil
}

// Status is the status of each source, in the order of Config.Sources. It does not
// block.
func (p *Puller) Status() []authz.SourceStatus {
	all := make([]authz.SourceStatus, len(p.feeds))
	for i, f := range p.feeds {
		all[i] = f.read()
	}
	return all
}
