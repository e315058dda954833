package sources

import (
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// maxLongPoll bounds how long a server may hold back its answer.
const maxLongPoll = 10 * time.Minute

// Source is where one bundle comes from: a URL or a folder.
type Source struct {
	Name   string // of the bundle: an id
	URL    string // https, or http to a loopback address
	Folder string
	// LastActive is the digest ("sha256:<hex>" of the packed bytes) of the version of
	// the bundle that was activated last, before the start: it is not pushed again,
	// so that a rollback outlives a restart. Empty pushes whatever the source gives.
	LastActive string
	// TokenFile holds a bearer token for URL; it is read for each request. Empty
	// sends none.
	TokenFile string
	// MinDelay and MaxDelay are how long after a success the source is asked again;
	// the choice between them is random. 0 or less means one minute and two.
	MinDelay, MaxDelay time.Duration
	// LongPoll is how long the server of URL may wait for something new, in whole
	// seconds of at most ten minutes; 0 asks for an answer at once.
	LongPoll time.Duration
	// Timeout bounds one request to URL, its body included, beside LongPoll. 0 or
	// less means a minute.
	Timeout time.Duration
	// MaxBytes bounds the bundle as packed; 0 or less means
	// authz.DefaultBundleSize.
	MaxBytes int64
}

// Validate reports what of the source cannot be.
func (s Source) Validate() error {
	if err := authz.ValidateBundleName("name", s.Name); err != nil {
		return err
	}
	switch {
	case s.Name == authz.ModesBundle:
		return authz.Invalid("name", "modes is the bundle of modes set at run time; it is pulled from nowhere")
	case (s.URL == "") == (s.Folder == ""):
		return authz.Invalid("url", "or folder is required, and not both")
	case s.LongPoll < 0 || s.LongPoll > maxLongPoll || s.LongPoll%time.Second != 0:
		return authz.Invalid("long_poll", "must be 0 to 10m, in whole seconds")
	case s.MinDelay > 0 && s.MaxDelay > 0 && s.MinDelay > s.MaxDelay:
		return authz.Invalid("min_delay", "must not be longer than max_delay")
	case s.Folder != "" && (s.LongPoll > 0 || s.TokenFile != ""):
		return authz.Invalid("long_poll", "and token_file belong to a url")
	case s.URL != "":
		return authz.ValidateFetchURL("url", s.URL)
	}
	return nil
}

func (s Source) withDefaults() Source {
	if s.MinDelay <= 0 {
		s.MinDelay = time.Minute
		if s.MaxDelay > 0 {
			s.MinDelay = min(s.MinDelay, s.MaxDelay)
		}
	}
	if s.MaxDelay <= 0 {
		s.MaxDelay = max(2*time.Minute, s.MinDelay)
	}
	if s.Timeout <= 0 {
		s.Timeout = time.Minute
	}
	if s.MaxBytes <= 0 {
		s.MaxBytes = authz.DefaultBundleSize
	}
	return s
}

// absolute has the folder's path from the root, as changes in it are reported.
func (s Source) absolute() (Source, error) {
	if s.Folder == "" {
		return s, nil
	}
	path, err := filepath.Abs(s.Folder)
	if err != nil {
		return Source{}, fmt.Errorf("finding the folder %s: %w", s.Folder, err)
	}
	s.Folder = path
	return s, nil
}

// location is the source for people: the folder, or the URL without its query, which
// may hold a signature.
func (s Source) location() string {
	if s.Folder != "" {
		return s.Folder
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return ""
	}
	u.RawQuery, u.ForceQuery = "", false
	return u.String()
}

// origin is what a bundle made of it says about where it comes from.
func (s Source) origin() string {
	if s.Folder != "" {
		return authz.SourceFolder
	}
	return s.location()
}
