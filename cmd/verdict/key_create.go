package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/spell"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

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
		answer, err := create(cmd.Context(), request)
		if err != nil {
			return err
		}
		return c.tellNewKey(answer)
	}
	return cmd
}

// keyMaker creates a key and returns it as the server answers it, api.Key in JSON.
type keyMaker func(context.Context, api.KeyRequest) ([]byte, error)

// keyMaker is what creates keys for cmd: the server, or offline the data directory.
func (c *cli) keyMaker(cmd *cobra.Command, to *connection, offline bool) (keyMaker, error) {
	if offline {
		return c.offlineKeys(cmd)
	}
	client, err := c.dial(cmd, to)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, request api.KeyRequest) ([]byte, error) {
		body, err := ijson.Marshal(request)
		if err != nil {
			return nil, err
		}
		answer, err := client.Do(ctx, remote.Call{Method: http.MethodPost, Path: api.PathKeys, Body: bytes.NewReader(body)})
		if err != nil {
			return nil, err
		}
		return answer.Body, nil
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

func readNewKey(answer []byte) (api.Key, error) {
	var k api.Key
	if err := ijson.UnmarshalOpen(answer, &k); err != nil {
		return k, unreadable(err)
	}
	if k.Key == "" {
		return k, unreadable(errors.New("it has no key"))
	}
	return k, nil
}

func (c *cli) tellNewKey(answer []byte) error {
	k, err := readNewKey(answer)
	if err != nil {
		return err
	}
	return c.print(answer, func(w io.Writer) error {
		r := &report{w: w}
		r.line("%s", k.Key)
		if r.err == nil {
			r.err = c.note("key %s (%s) may %s; this is the only time it is shown", k.ID, k.Name, strings.Join(k.Roles, ", "))
		}
		return r.err
	})
}

// createAndSaveKey makes room for the key before asking for it, so that no key
// is created that cannot be kept.
func (c *cli) createAndSaveKey(ctx context.Context, create keyMaker, request api.KeyRequest, path string) error {
	file, err := createOut(path, false)
	if err != nil {
		return err
	}
	answer, err := create(ctx, request)
	if err != nil {
		return file.abort(err)
	}
	k, err := readNewKey(answer)
	if err != nil {
		return file.abort(err)
	}
	if err := file.finish(k.Key + "\n"); err != nil {
		return keyLost(k, err)
	}
	document, err := withoutKey(answer)
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

func withoutKey(answer []byte) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := ijson.UnmarshalOpen(answer, &members); err != nil {
		return nil, unreadable(err)
	}
	delete(members, "key")
	return ijson.Marshal(members)
}
