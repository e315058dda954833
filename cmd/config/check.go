package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/verdict-pdp/verdict/api"
)

func notEmpty(s *string) check {
	return func() string {
		if *s == "" {
			return "is empty; name one"
		}
		return ""
	}
}

func address(s *string) check {
	return func() string {
		if socket, err := api.ParseSocket(*s); err != nil {
			return "is " + strconv.Quote(*s) + ", which " + err.Error()
		} else if socket != nil {
			return ""
		}
		_, port, err := net.SplitHostPort(*s)
		if err != nil {
			return "is " + strconv.Quote(*s) + "; write host:port, such as 127.0.0.1:8181, or unix:/path for a socket"
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "has port " + strconv.Quote(port) + "; write 0 to 65535, 0 for a free one"
		}
		return ""
	}
}

// notThatOf returns an error for the address of the other listener, except that both may ask for
// a free port.
func notThatOf(s, other *string, name string) check {
	return func() string {
		if where(*s) == where(*other) && !strings.HasSuffix(*s, ":0") {
			return "is the address of " + name + " as well; give each its own"
		}
		return ""
	}
}

// where returns an address in a form that two spellings of it have in common.
func where(address string) string {
	if socket, err := api.ParseSocket(address); err == nil && socket != nil {
		return socket.String()
	}
	return address
}

// notOnSocket returns an error for TLS on a Unix socket, whose clients do not use it.
func notOnSocket(cert, address *string, name string) check {
	return func() string {
		if socket, err := api.ParseSocket(*address); *cert != "" && err == nil && socket != nil {
			return "is given, but " + name + " is a socket, which is served without TLS: the mode of its file says who reaches it; leave it out, or write host:port there"
		}
		return ""
	}
}

// needs returns an error for a file that is of no use without another.
func needs(s, other *string, name string) check {
	return func() string {
		if *s != "" && *other == "" {
			return "is given, but " + name + " is empty, and without TLS no client presents a certificate; give both"
		}
		return ""
	}
}

// together returns an error for one of two files without the other.
func together(s, other *string, name string) check {
	return func() string {
		if *s == "" && *other != "" {
			return "is empty, but " + name + " is given; give both or neither"
		}
		return ""
	}
}

// keysNamed returns an error when signatures are required and there is no file of keys.
func keysNamed(required *bool, keys *string) check {
	return func() string {
		if *required && *keys == "" {
			return "is true, but bundles.keys names no keys; every bundle would be refused"
		}
		return ""
	}
}

// issuerURL checks what RFC 8414 section 2 requires of an issuer, and allows http for a
// loopback address.
func issuerURL(s *string) check {
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

func endpoint(s *string) check {
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
