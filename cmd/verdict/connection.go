package main

import (
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
)

// connection says which server a client command calls, and as whom. The address
// and the key each come from the first of: flag, environment, configuration
// file, default.
type connection struct {
	admin   bool // the admin listener with the operator's key, else decisions with the PEP's
	keyless bool // no API key: the caller has a credential of its own
	server  string
	keyFile string
	trust   trust
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
func (c *cli) dial(cmd *cobra.Command, to *connection) (*remote.Client, error) {
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
	client, err := remote.New(remote.Config{Server: server, Key: key, UserAgent: "verdict/" + buildVersion(), TLS: over})
	if err != nil {
		return nil, usage(err.Error(), "Name the server with --server or $"+to.serverEnv()+".")
	}
	return client, nil
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
