package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
	"github.com/verdict-pdp/verdict/cmd/config"
)

// connection says which server a client command calls, and as whom. The address
// and the key each come from the first of: flag, environment, configuration
// file, default.
type connection struct {
	admin   bool // the admin listener with the operator's key, else decisions with the PEP's
	keyless bool // no API key: the caller has a credential of its own
	server  string
	keyFile string
	trust   tlsFlags
}

// toAdmin adds the flags of a command that calls the admin API.
func toAdmin(cmd *cobra.Command) *connection {
	return connect(cmd, &connection{admin: true})
}

// toDecisions adds the flags of a command that asks for decisions.
func toDecisions(cmd *cobra.Command) *connection {
	return connect(cmd, &connection{})
}

// toTokenService adds the flags of a command that asks for tokens.
func toTokenService(cmd *cobra.Command) *connection {
	return connect(cmd, &connection{keyless: true})
}

func connect(cmd *cobra.Command, to *connection) *connection {
	defaults := config.Default()
	f := cmd.Flags()
	f.StringVar(&to.server, "server", "", "URL of the server, or unix:/path of its socket ($"+to.serverEnv()+", else "+to.listenKey()+" of the configuration: http://"+to.listen(defaults)+")")
	to.trust.flags(cmd)
	if to.keyless {
		return to
	}
	f.StringVar(&to.keyFile, "key-file", "", "file with the API key ($"+envKeyFile+", else $"+envKey+" itself, else keys/"+to.keyName()+" of the data directory)")
	addDataFlag(cmd)
	return to
}

// addDataFlag adds the one setting client commands share with serve.
func addDataFlag(cmd *cobra.Command) {
	unbound := config.Default()
	for _, s := range unbound.Settings() {
		if s.Key == "data" {
			cmd.Flags().Var(s, s.Flag(), s.Usage+" ($"+s.Env()+")")
		}
	}
}

func (to *connection) serverEnv() string {
	if to.admin {
		return envAdminServer
	}
	return envServer
}

func (to *connection) listenKey() string {
	if to.admin {
		return "admin_listen"
	}
	return "listen"
}

func (to *connection) listen(c config.Config) string {
	if to.admin {
		return c.AdminListen
	}
	return c.Listen
}

func (to *connection) keyName() string {
	if to.admin {
		return "operator.key"
	}
	return "pep.key"
}

// dial makes the client for cmd. It does not connect yet.
func (c *cli) dial(cmd *cobra.Command, to *connection) (*client.Client, error) {
	loaded, err := c.config(cmd)
	if err != nil {
		return nil, err
	}
	server, err := c.serverURL(to, loaded.Config)
	if err != nil {
		return nil, err
	}
	over, err := c.tlsOf(&to.trust, server)
	if err != nil {
		return nil, err
	}
	var key string
	if !to.keyless {
		if key, err = c.apiKey(to, loaded.Config.Data); err != nil {
			return nil, err
		}
	}
	pdp, err := client.New(client.Config{Server: server, Key: key, UserAgent: "verdict/" + buildVersion(), TLS: over, Attempts: 1})
	if err != nil {
		return nil, usage(err.Error(), "Name the server with --server or $"+to.serverEnv()+".")
	}
	return pdp, nil
}

func (c *cli) serverURL(to *connection, cfg config.Config) (string, error) {
	if to.server != "" {
		return to.server, nil
	}
	if server, ok := c.lookupEnv(to.serverEnv()); ok && server != "" {
		return server, nil
	}
	if strings.HasPrefix(to.listen(cfg), "unix:") {
		return to.listen(cfg), nil
	}
	host, port, err := net.SplitHostPort(to.listen(cfg))
	if err != nil || strings.Trim(port, "0") == "" {
		return "", usage("the configuration lets the server take any free port, so its address is not known",
			"Name the server with --server or $"+to.serverEnv()+"; its log says where it listens.")
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme, cert := "http://", cfg.TLS.Cert
	if to.admin {
		cert = cfg.AdminTLS.Cert
	}
	if cert != "" {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port), nil
}

// apiKey finds the key to call the server with. There is no flag for the key
// itself: a command line can be read by every process of the machine.
func (c *cli) apiKey(to *connection, data string) (string, error) {
	if to.keyFile != "" {
		return readKey(to.keyFile, "--key-file", "Check the path, or leave --key-file out to use the data directory's key.")
	}
	if path, ok := c.lookupEnv(envKeyFile); ok && path != "" {
		return readKey(path, "$"+envKeyFile, "Check the path, or unset the variable to use the data directory's key.")
	}
	if key, ok := c.lookupEnv(envKey); ok && key != "" {
		return parseKey(key, "$"+envKey)
	}
	return readKey(filepath.Join(data, "keys", to.keyName()), "the data directory",
		"`verdict serve` makes its keys on first start. Name its data directory with --data, or a key with --key-file; `verdict key create --offline` makes one while the server is stopped.")
}

func readKey(path, from, fix string) (string, error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", noKey("there is no API key at "+path+" (from "+from+")", fix, err)
	case errors.Is(err, fs.ErrPermission):
		return "", noKey("the API key at "+path+" (from "+from+") is not yours to read", "Run as the user the server runs as, or name a key of your own with --key-file.", err)
	case err != nil:
		return "", noKey("the API key (from "+from+") cannot be read: "+err.Error(), fix, err)
	}
	return parseKey(string(text), path)
}

// parseKey takes the key out of text, without ever showing it.
func parseKey(text, from string) (string, error) {
	key := strings.TrimSpace(text)
	if !strings.HasPrefix(key, "vk_") || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", noKey(from+" does not hold an API key", "A key is one line that starts with vk_; `verdict key create` makes one.", nil)
	}
	return key, nil
}

func noKey(message, fix string, cause error) *failure {
	return &failure{status: exitForbidden, code: authz.CodeUnauthenticated, message: message, fix: fix, cause: cause}
}

// tlsFlags are what a client command trusts a server by, and proves itself with, when
// they speak TLS. Each file is that of the flag, else that of the environment.
type tlsFlags struct {
	ca        string // the authorities to trust instead of the system's
	cert, key string // the certificate to present, and its private key
}

func (t *tlsFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.ca, "ca", "", "PEM file of the authorities to trust over TLS ($"+envCA+", else the system's)")
	f.StringVar(&t.cert, "cert", "", "PEM file of the client certificate to present over TLS ($"+envCert+")")
	f.StringVar(&t.key, "key", "", "PEM file of its private key ($"+envCertKey+", else the file of --cert)")
}

// namedFile is a file and who named it.
type namedFile struct{ path, by string }

func (c *cli) fileOf(flag, name, env string) namedFile {
	if flag != "" {
		return namedFile{flag, "--" + name}
	}
	if path, ok := c.lookupEnv(env); ok && path != "" {
		return namedFile{path, "$" + env}
	}
	return namedFile{}
}

// tlsOf reads the files that t and the environment name; nil when they name none, or
// server does not speak TLS. What only the environment names is of no matter then,
// but a flag that would do nothing is a mistake.
func (c *cli) tlsOf(t *tlsFlags, server string) (*tls.Config, error) {
	if strings.HasPrefix(t.key, "vk_") {
		return nil, usage("--key names the file of a private key, and not an API key", "Name the file of the API key with --key-file; there is no flag for the key itself.")
	}
	if !strings.HasPrefix(server, "https://") {
		if *t != (tlsFlags{}) {
			return nil, usage("--ca, --cert and --key are for TLS, and "+server+" is reached without", "Write https:// in the address of the server, or leave them out.")
		}
		return nil, nil
	}
	ca, cert, key := c.fileOf(t.ca, "ca", envCA), c.fileOf(t.cert, "cert", envCert), c.fileOf(t.key, "key", envCertKey)
	if key.path != "" && cert.path == "" {
		return nil, usage(key.by+" names a private key, and no certificate is named", "Name its certificate with --cert or $"+envCert+".")
	}
	over := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca.path != "" {
		text, err := readPEM(ca, "authorities")
		if err != nil {
			return nil, err
		}
		over.RootCAs = x509.NewCertPool()
		if !over.RootCAs.AppendCertsFromPEM(text) {
			return nil, usage(ca.path+" (from "+ca.by+") has no certificate in it", "Name a PEM file with the certificates of the authorities to trust.")
		}
	}
	if cert.path == "" {
		return over, nil
	}
	pair, err := readPair(cert, key)
	if err != nil {
		return nil, err
	}
	over.Certificates = []tls.Certificate{pair}
	return over, nil
}

func readPair(cert, key namedFile) (tls.Certificate, error) {
	if key.path == "" {
		key = cert
	}
	chain, err := readPEM(cert, "client certificate")
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := readPEM(key, "private key")
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(chain, private)
	if err != nil {
		return tls.Certificate{}, &failure{
			status: exitUsage, code: authz.CodeInvalid, cause: err,
			message: "the certificate " + cert.path + " (from " + cert.by + ") and the key " + key.path + " (from " + key.by + ") cannot be used together: " + err.Error(),
			fix:     "Name the certificate with --cert and the private key that belongs to it with --key, both PEM and not encrypted.",
		}
	}
	return pair, nil
}

// readPEM reads a file that a flag or the environment names.
func readPEM(file namedFile, what string) ([]byte, error) {
	text, err := os.ReadFile(file.path)
	if err == nil {
		return text, nil
	}
	fix := "Correct the path, or make the file readable by this user."
	if errors.Is(err, fs.ErrNotExist) {
		fix = "Correct the path in " + file.by + ", or leave it out."
	}
	f := usage("the file of the "+what+" "+file.path+" (from "+file.by+") cannot be read: "+reason(err), fix)
	f.cause = err
	return nil, f
}
