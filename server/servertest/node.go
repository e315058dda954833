package servertest

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/control"
	"github.com/verdict-pdp/verdict/credentials"
	"github.com/verdict-pdp/verdict/secret"
	"github.com/verdict-pdp/verdict/server"
	"github.com/verdict-pdp/verdict/server/admin"
	"github.com/verdict-pdp/verdict/server/api"
	"github.com/verdict-pdp/verdict/server/apikey"
	"github.com/verdict-pdp/verdict/server/events"
	"github.com/verdict-pdp/verdict/server/oauth"
)

// Now is what the clock of a Node says.
var Now = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// Node is a server that runs, and what stands behind it.
type Node struct {
	Server *server.Server
	Memory *Memory
	// Policies, Records and Replays are what stands behind the paths about policies
	// and their decisions.
	Policies *Policies
	Records  *Records
	Replays  *Replays
	Audit    *Audit
	Log      *Log
	// Stop begins the shutdown and Done gives what Run returned.
	Stop context.CancelFunc
	Done <-chan error

	t        testing.TB
	secrets  map[string]string // :: id of a key -> the key
	document *document
}

// Config is what a Node is made of: two listeners, named decisions and admin, with
// the rooms below, after whatever a test adds to Listeners.
type Config struct {
	server.Config
	API    *api.Handler
	Admin  *admin.Handler
	Events *events.Handler
	OAuth  *oauth.Handler
	// Check holds entities to more than their own rules, see control.Config.
	Check map[authz.Collection]func(authz.Entity) error
	// Decisions and Operators are the two listeners. Their Rooms are filled in.
	Decisions, Operators server.Listener
}

// Start runs a server on free ports until the test ends. Edit, when given,
// changes the configuration first; it must not need the Node.
func Start(t testing.TB, edit func(*Config)) *Node {
	t.Helper()
	n := &Node{
		Memory:   NewMemory(t),
		Policies: NewPolicies(),
		Records:  NewRecords(),
		Replays:  new(Replays),
		Audit:    NewAudit(),
		Log:      new(Log),
		t:        t,
		secrets:  map[string]string{},
	}
	registry := prometheus.NewRegistry()
	check := map[authz.Collection]func(authz.Entity) error{}
	keeper := newKeeper(n.Memory)
	config := Config{
		Check:     check,
		Decisions: server.Listener{Name: "decisions", Addr: "127.0.0.1:0", Quiet: true},
		Operators: server.Listener{Name: "admin", Addr: "127.0.0.1:0", Metrics: true},
		API: &api.Handler{
			Decide: func(context.Context, authz.Request) (authz.Decision, error) { return authz.Decision{}, nil },
			Batch:  func(context.Context, authz.Batch) ([]authz.Decision, error) { return nil, nil },
		},
		Admin: &admin.Handler{
			Data:      n.Memory,
			Control:   judging{n.control(check, keeper), n.Replays},
			Rotations: keeper,
			Policies:  n.Policies,
			Decisions: n.Records,
			History:   n.Records,
			Audit:     n.Audit,
			Shadow:    n.Replays,
			Policy:    func() authz.PolicyRef { return authz.PolicyRef{Generation: 3, Digest: "sha256:ab"} },
			Now:       time.Now,
			Version:   "test",
		},
		Events: &events.Handler{Receiver: n.Memory},
		OAuth:  &oauth.Handler{}, // its routes are there; its own tests call them
		Config: server.Config{
			Keys:     &apikey.Authenticator{Keys: n.Memory, Now: now},
			Gatherer: registry,

			ShutdownTimeout: 15 * time.Second,

			Logger: slog.New(slog.NewTextHandler(n.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		},
	}
	if edit != nil {
		edit(&config)
	}
	var err error
	if n.Server, err = server.New(config.whole()); err != nil {
		t.Fatal(err)
	}
	for _, collector := range n.Server.Collectors() {
		registry.MustRegister(collector)
	}
	if err := n.Server.Listen(); err != nil {
		t.Fatal(err)
	}
	if n.document, err = readDocument(); err != nil {
		t.Fatal(err)
	}
	n.run()
	return n
}

func now() time.Time { return Now }

// newKeeper is the credentials room over the store of a Node. Its secrets cost nothing
// to hash, and no token names anything.
func newKeeper(m *Memory) *credentials.Service {
	return credentials.New(credentials.Config{
		Store:   control.EntityStore{Store: m.Store},
		LastUse: func(string) (time.Time, string) { return time.Time{}, "" },
		Token: func(context.Context, string) (*authz.Token, error) {
			return nil, authz.Invalid("token", "does not verify")
		},
		Check:      func(*authz.Credential) error { return nil },
		NewSecret:  secret.New,
		HashSecret: secret.Hash,
		Now:        now,
	})
}

// control is the real room control, over the Memory and Policies of the Node. Its clock
// moves an hour at each look, so that no refusal is one too many to be recorded.
func (n *Node) control(check map[authz.Collection]func(authz.Entity) error, keeper *credentials.Service) *control.Service {
	var looks, ids atomic.Int64
	service, err := control.New(control.Config{
		Store:       n.Memory.Store,
		Audit:       n.Audit,
		Credentials: keeper,
		Policies:    n.Policies,
		Check:       check,
		MintKey:     apikey.New,
		NewID:       func() string { return "c" + strconv.FormatInt(ids.Add(1), 10) },
		Now:         func() time.Time { return Now.Add(time.Duration(looks.Add(1)) * time.Hour) },
		Log:         slog.New(slog.NewTextHandler(n.Log, nil)),
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return service
}

// whole puts the rooms where they are served.
func (c Config) whole() server.Config {
	c.Decisions.Rooms = append(c.Decisions.Rooms, c.API, c.Events, c.OAuth)
	c.Operators.Rooms = append(c.Operators.Rooms, c.Admin)
	c.Listeners = append(c.Listeners, c.Decisions, c.Operators)
	return c.Config
}

func (n *Node) run() {
	ctx, stop := context.WithCancel(context.Background())
	done, finished := make(chan error, 1), make(chan struct{})
	n.Stop, n.Done = stop, done
	go func() {
		done <- n.Server.Run(ctx)
		close(finished)
	}()
	n.t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		stop()
		<-finished
	})
}

// Decisions is the URL of the decisions listener, Admin of the other.
func (n *Node) Decisions() string { return n.URL("decisions") }

// Admin is the URL of the admin listener.
func (n *Node) Admin() string { return n.URL("admin") }

// URL is where the listener of a name is, without TLS.
func (n *Node) URL(listener string) string { return "http://" + n.Server.Addr(listener).String() }

// Key is an API key with exactly these roles.
func (n *Node) Key(roles ...authz.Role) string {
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = string(role)
	}
	id := "key_" + strings.Join(names, "_") // with underscores, which ids may have
	if secret, ok := n.secrets[id]; ok {
		return secret
	}
	secret, hash := apikey.New(id)
	n.secrets[id] = secret
	n.Memory.Keep(&authz.APIKey{Header: authz.Header{ID: id, Revision: 1}, Name: "test", Hash: hash, Roles: roles})
	return secret
}

// Log is what a Node logged. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is all that was logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
