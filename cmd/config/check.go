package config

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	millisecond = time.Millisecond
	second      = time.Second
	hour        = time.Hour
)

func notEmpty(s *string) func() string {
	return func() string {
		if *s == "" {
			return "is empty; name one"
		}
		return ""
	}
}

func oneOf(s *string, allowed ...string) func() string {
	return func() string {
		if slices.Contains(allowed, *s) {
			return ""
		}
		return "is " + strconv.Quote(*s) + "; it must be one of " + strings.Join(allowed, ", ")
	}
}

func within[T int | time.Duration](p *T, low, high T) func() string {
	return func() string {
		if *p < low || *p > high {
			return "is " + write(*p) + "; it must be " + write(low) + " to " + write(high)
		}
		return ""
	}
}

func withinSize(p *int64, low, high int64) func() string {
	return func() string {
		if *p < low || *p > high {
			return "is " + sizeText(*p) + "; it must be " + sizeText(low) + " to " + sizeText(high)
		}
		return ""
	}
}

func write[T int | time.Duration](v T) string {
	if d, ok := any(v).(time.Duration); ok {
		return brief(d)
	}
	return strconv.Itoa(int(v))
}

func address(s *string) func() string {
	return func() string {
		_, port, err := net.SplitHostPort(*s)
		if err != nil {
			return "is " + strconv.Quote(*s) + "; write host:port, such as 127.0.0.1:8181"
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "has port " + strconv.Quote(port) + "; write 0 to 65535, 0 for a free one"
		}
		return ""
	}
}

// otherAddress also refuses the address of the other listener, except that both
// may ask for a free port.
func otherAddress(s, other *string) func() string {
	return func() string {
		if wrong := address(s)(); wrong != "" {
			return wrong
		}
		if *s == *other && !strings.HasSuffix(*s, ":0") {
			return "is the address of listen as well; give each its own port"
		}
		return ""
	}
}

// together wants a file and the one that goes with it, or neither.
func together(s, other *string, name string) func() string {
	return func() string {
		if *s == "" && *other != "" {
			return "is empty, but " + name + " is given; give both or neither"
		}
		return ""
	}
}

// keysNamed wants a file of keys where signatures are required.
func keysNamed(required *bool, keys *string) func() string {
	return func() string {
		if *required && *keys == "" {
			return "is true, but bundles.keys names no keys; every bundle would be refused"
		}
		return ""
	}
}

// issuerURL wants what RFC 8414 section 2 wants of an issuer, and allows http for
// a machine's own.
func issuerURL(s *string) func() string {
	return func() string {
		if *s == "" {
			return ""
		}
		u, err := url.Parse(*s)
		switch {
		case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
			return "is not a URL such as https://verdict.example, without user, query and fragment"
		case u.Scheme != "https" && !(u.Scheme == "http" && ownHost(u.Hostname())):
			return "must begin with https://; http:// is for this machine alone, such as http://127.0.0.1:8181"
		}
		return ""
	}
}

func ownHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func endpoint(s *string) func() string {
	return func() string {
		if *s == "" {
			return ""
		}
		u, err := url.Parse(*s)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
			return "is not a URL such as http://127.0.0.1:4318, without user and password"
		}
		return ""
	}
}
