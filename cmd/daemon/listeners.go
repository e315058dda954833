package daemon

import (
	"crypto/tls"
	"fmt"
	"net"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server"
	"github.com/verdict-pdp/verdict/server/admin"
	surface "github.com/verdict-pdp/verdict/server/api"
	receiving "github.com/verdict-pdp/verdict/server/events"
	"github.com/verdict-pdp/verdict/server/oauth"
	"github.com/verdict-pdp/verdict/server/route"
	"github.com/verdict-pdp/verdict/server/tlsfiles"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/tokenservice"
)

// Names of the listeners, in logs and metrics.
const (
	decisionsListener = "decisions"
	adminListener     = "admin"
)

// listeners are the addresses served, each with its rooms.
func (d *Daemon) listeners() ([]server.Listener, error) {
	c := d.config
	overTLS, err := tlsfiles.Files{Cert: c.TLS.Cert, Key: c.TLS.Key, AskClients: true, Now: c.Now, Log: c.Logger}.Config()
	if err != nil {
		return nil, fmt.Errorf("serving decisions over TLS: %w; correct tls.cert and tls.key, or their files", err)
	}
	adminOverTLS, err := tlsfiles.Files{Cert: c.AdminTLS.Cert, Key: c.AdminTLS.Key, ClientCA: c.AdminTLS.ClientCA, Now: c.Now, Log: c.Logger}.Config()
	if err != nil {
		return nil, fmt.Errorf("serving the admin API over TLS: %w; correct admin_tls.cert, admin_tls.key and admin_tls.client_ca, or their files", err)
	}
	d.overTLS = map[string]*tls.Config{decisionsListener: overTLS, adminListener: adminOverTLS}
	decisions, administration := d.rooms()
	return []server.Listener{
		{Name: decisionsListener, Addr: c.Listen, Setting: "listen", Net: c.DecisionsListener, TLS: overTLS, Rooms: decisions, Quiet: true},
		{Name: adminListener, Addr: c.AdminListen, Setting: "admin_listen", Net: c.AdminListener, TLS: adminOverTLS, Rooms: administration, Metrics: true},
	}, nil
}

// rooms are the surfaces of the two listeners: the only place that names them.
func (d *Daemon) rooms() (decisions, administration []server.Room) {
	decisions = []server.Room{
		&surface.Handler{Decide: d.pdp.Decide, Batch: d.pdp.DecideBatch, BodyLimit: d.config.HTTP.BodyLimit},
		&receiving.Handler{Receiver: d.receiver},
	}
	if d.issuing != nil {
		decisions = append(decisions, &oauth.Handler{Service: d.issuing})
	}
	return decisions, []server.Room{d.adminRoom()}
}

// Rows are the routes of all of them, for the document.
func Rows() []route.Row {
	decisions, administration := (&Daemon{issuing: new(tokenservice.Service)}).rooms()
	return server.Rows(append(decisions, administration...)...)
}

func (d *Daemon) adminRoom() *admin.Handler {
	c := d.config
	return &admin.Handler{
		Data:         d.store,
		Control:      d.control,
		Rotations:    d.control,
		IssuerStatus: d.verifier.Status,
		Policies:     library{d.policies, d},
		Decisions:    d.log,
		History:      d.history(),
		Audit:        d.log,
		Shadow:       d.shadow,
		BundleLimit:  c.Bundles.MaxSize,

		Policy:  d.policy,
		Now:     c.Now,
		Version: c.Version,
		Node: admin.Node{
			StartedAt: d.started, SchemaVersion: store.SchemaVersion, Writable: d.store.Writable,
			Log: d.log.Status, Sinks: d.sinkStatus, Certificates: d.certificates,
		},

		BodyLimit: c.HTTP.BodyLimit,
	}
}

// certificates are those that listeners are served with.
func (d *Daemon) certificates() (all []authz.CertificateStatus) {
	for _, name := range []string{decisionsListener, adminListener} {
		if c := d.overTLS[name]; c != nil {
			from, to := tlsfiles.Life(c)
			all = append(all, authz.CertificateStatus{Listener: name, NotBefore: from, NotAfter: to})
		}
	}
	return all
}

// DecisionsURL is where decisions are served: an http or https URL, or unix: and the
// path of a socket.
func (d *Daemon) DecisionsURL() string {
	return urlOf(d.server.Addr(decisionsListener), d.config.TLS.Cert != "")
}

// AdminURL is where administration is served, likewise.
func (d *Daemon) AdminURL() string {
	return urlOf(d.server.Addr(adminListener), d.config.AdminTLS.Cert != "")
}

func urlOf(addr net.Addr, overTLS bool) string {
	switch {
	case addr.Network() == "unix":
		return "unix:" + addr.String()
	case overTLS:
		return "https://" + addr.String()
	}
	return "http://" + addr.String()
}
