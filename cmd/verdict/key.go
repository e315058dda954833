package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/cmd/daemon"
	"github.com/verdict-pdp/verdict/cmd/spell"
	"github.com/verdict-pdp/verdict/ijson"
)

func newKey(c *cli) *cobra.Command {
	cmd := group("key", "Create, list and revoke API keys", newKeyCreate(c), newKeyList(c), newKeyRevoke(c))
	cmd.Long = `Create, list and revoke the API keys of enforcement points and operators. A key may
do what its roles say and nothing else:

  decide               ask for decisions
  assert-claims        send claims it has verified itself instead of a token
  assert-certificates  send client certificates of TLS connections it has ended
  simulate             ask hypothetical questions
  operate              read and write entities, keys and backups; revoke and rotate
  author               push policies
  review               read entities and the change feed
  transmit             push security events of an issuer`
	return cmd
}

func roleNames() []string {
	var names []string
	for _, role := range authz.Roles() {
		names = append(names, string(role))
	}
	return names
}

func newKeyCreate(c *cli) *cobra.Command {
	var roles []string
	var ttl time.Duration
	var save string
	var offline bool
	cmd := &cobra.Command{
		Use:   "create NAME --role ROLE",
		Short: "Create an API key",
		Long: `Create an API key and print it. The server keeps only its hash, so this is the one
time it is shown. With --save it goes to a file that only its user can read, and is
not printed.

With --offline no server and no other key is needed: the key is written into the
data directory itself, while no server uses it. It is the way back when the
operator's key is lost. Run it as the user the server runs as.`,
		Example: `  verdict key create mail-gateway --role decide --save gateway.key
  verdict key create reviewer --role review --ttl 2160h
  verdict key create ops --role operate --offline --data /var/lib/verdict --save ops.key`,
		Args: takes(1, 1),
	}
	f := cmd.Flags()
	f.StringArrayVar(&roles, "role", nil, "what the key may do: "+strings.Join(roleNames(), ", ")+" (repeatable)")
	f.DurationVar(&ttl, "ttl", 0, "how long it is accepted, such as 2160h; without it until revoked")
	f.StringVar(&save, "save", "", "new file to write the key to")
	f.BoolVar(&offline, "offline", false, "write into the data directory, with the server stopped")
	complete(cmd, "role", roleNames()...)
	to := toAdmin(cmd)
	cmd.MarkFlagsMutuallyExclusive("offline", "server")
	cmd.MarkFlagsMutuallyExclusive("offline", "key-file")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		request, err := c.keyRequest(args[0], roles, ttl, cmd.Flags().Changed("ttl"))
		if err != nil {
			return err
		}
		create, err := c.keyMaker(cmd, to, offline)
		if err != nil {
			return err
		}
		if save != "" {
			return c.createAndSaveKey(cmd.Context(), create, request, save)
		}
		k, answer, err := create(cmd.Context(), request)
		if err != nil {
			return err
		}
		return c.print(answer, func(w io.Writer) error {
			if err := say(w, "%s", k.Key); err != nil {
				return err
			}
			return c.note("key %s (%s) may %s; this is the only time it is shown", k.ID, k.Name, strings.Join(k.Roles, ", "))
		})
	}
	return cmd
}

// keyMaker creates a key, and returns the answer as a server gives it too.
type keyMaker func(context.Context, api.KeyRequest) (api.Key, []byte, error)

// keyMaker is what creates keys for cmd: the server, or offline the data directory.
func (c *cli) keyMaker(cmd *cobra.Command, to *connection, offline bool) (keyMaker, error) {
	if offline {
		return c.offlineKeys(cmd)
	}
	pdp, err := c.dial(cmd, to)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, request api.KeyRequest) (api.Key, []byte, error) {
		return withAnswer(ctx, func(ctx context.Context) (api.Key, error) { return pdp.CreateKey(ctx, request) })
	}, nil
}

func (c *cli) keyRequest(name string, roles []string, ttl time.Duration, limited bool) (api.KeyRequest, error) {
	known := roleNames()
	request := api.KeyRequest{Name: name, Roles: roles}
	if len(roles) == 0 {
		return request, usage("a key needs at least one --role", "The roles are "+strings.Join(known, ", ")+"; `verdict key --help` says what each may do.")
	}
	for _, role := range roles {
		if !slices.Contains(known, role) {
			return request, usage(fmt.Sprintf("%q is not a role%s", role, spell.DidYouMean(role, known)), "The roles are "+strings.Join(known, ", ")+".")
		}
	}
	if limited {
		if ttl <= 0 {
			return request, usage(fmt.Sprintf("--ttl is %s, so the key would never be accepted", ttl), "Write a duration such as 2160h.")
		}
		request.ExpiresAt = c.now().Add(ttl).UTC().Truncate(time.Second)
	}
	return request, nil
}

// createAndSaveKey makes room for the key before asking for it, so that no key
// is created that cannot be kept.
func (c *cli) createAndSaveKey(ctx context.Context, create keyMaker, request api.KeyRequest, path string) error {
	file, err := createOut(path, false)
	if err != nil {
		return err
	}
	k, answer, err := create(ctx, request)
	if err != nil {
		return file.abort(err)
	}
	if err := file.finish(k.Key + "\n"); err != nil {
		return keyLost(k, err)
	}
	document, err := without(answer, "key")
	if err != nil {
		return err
	}
	return c.print(document, func(w io.Writer) error {
		return say(w, "key %s (%s) may %s; it is in %s", k.ID, k.Name, strings.Join(k.Roles, ", "), path)
	})
}

func keyLost(k api.Key, err error) *failure {
	return &failure{status: exitError, code: authz.CodeInternal, message: "key " + k.ID + " was created but could not be saved: " + err.Error(),
		fix: "Revoke it with `verdict key revoke " + k.ID + "` and create another.", cause: err}
}

// offlineKeys creates keys in the data directory of cmd, of any role: who may
// write there may do everything already. It holds the directory only while it
// creates one.
func (c *cli) offlineKeys(cmd *cobra.Command) (keyMaker, error) {
	loaded, err := c.config(cmd)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, request api.KeyRequest) (api.Key, []byte, error) {
		opened, err := c.openOffline(loaded.Config)
		if err != nil {
			return api.Key{}, nil, err
		}
		k, err := createKey(ctx, opened, request)
		if err := errors.Join(err, opened.Close()); err != nil {
			return api.Key{}, nil, err
		}
		answer, err := ijson.Marshal(k)
		return k, answer, err
	}, nil
}

// openOffline opens a data directory that no server uses. Unlike the server it makes
// none.
func (c *cli) openOffline(cfg config.Config) (*daemon.Offline, error) {
	dir := daemon.StoreDir(cfg.Data)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, usage(cfg.Data+" is not a data directory: it has no store", "Name the data directory of the server with --data.")
	} else if err != nil {
		return nil, err
	}
	opened, err := daemon.OpenOffline(cfg, c.now, newLogger(cfg.Log, c.err))
	if authz.CodeOf(err) == authz.CodeConflict {
		return nil, &failure{status: exitConflict, code: authz.CodeConflict, message: err.Error(), cause: err,
			fix: "Stop the server and repeat; or, with a key that may operate, let the server create the key: leave --offline out."}
	}
	return opened, err
}

// createKey does what the server does for POST /v1/keys.
func createKey(ctx context.Context, in *daemon.Offline, request api.KeyRequest) (api.Key, error) {
	key := &authz.APIKey{Name: request.Name, ExpiresAt: request.ExpiresAt}
	for _, role := range request.Roles {
		key.Roles = append(key.Roles, authz.Role(role))
	}
	text, written, err := in.Control.CreateKey(ctx, in.Author, key)
	if err != nil {
		return api.Key{}, err
	}
	return api.Key{
		ID:        key.ID,
		Name:      key.Name,
		Roles:     request.Roles,
		CreatedAt: written.Entity.Head().CreatedAt,
		ExpiresAt: key.ExpiresAt,
		Key:       text,
	}, nil
}

func newKeyList(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print the API keys, without the keys themselves",
		Args:  takes(0, 0),
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		t := newTable(c.out, "ID", "NAME", "ROLES", "STATE", "EXPIRES_AT")
		return list(cmd.Context(), c, everyPage, revisionMember, func(ctx context.Context, p client.Paging) (page[api.Key], error) {
			read, err := pdp.ListKeysPage(ctx, p)
			return page[api.Key]{read.Items, read.NextCursor, read.DataRevision}, err
		}, rows(t, func(key api.Key) ([]string, error) { return keyRow(key, c.now()), nil }))
	}
	return cmd
}

// keyRow shows an API key, and whether it is accepted at now.
func keyRow(key api.Key, now time.Time) []string {
	state, expires := "active", ""
	if !key.ExpiresAt.IsZero() {
		expires = key.ExpiresAt.UTC().Format(time.RFC3339)
		if !now.Before(key.ExpiresAt) {
			state = "expired"
		}
	}
	if key.Revoked {
		state = "revoked"
	}
	return []string{key.ID, key.Name, strings.Join(key.Roles, ","), state, expires}
}

func newKeyRevoke(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke an API key",
		Long:    "Revoke an API key: the next call with it is refused. `verdict key list` shows the ids.",
		Example: `  verdict key revoke 01JD3V9Z4M`,
		Args:    takes(1, 1),
	}
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := authz.ValidateID("id", args[0]); err != nil {
			return usage(err.Error(), "`verdict key list` shows the ids; the key itself is not one.")
		}
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		if err := pdp.RevokeKey(cmd.Context(), args[0]); err != nil {
			return fixes{
				authz.CodeNotFound: "`verdict key list` shows the ids; a key's name is not its id.",
				authz.CodeConflict: "Use another operator's key: `verdict key create NAME --role operate` makes one.",
			}.of(err)
		}
		return c.printMade(map[string]string{"revoked": args[0]}, "key %s revoked", args[0])
	}
	return cmd
}
