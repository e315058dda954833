package main

import (
	"bytes"
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
	cmd := &cobra.Command{
		Use:   "create NAME --role ROLE",
		Short: "Create an API key",
		Long: `Create an API key and print it. The server keeps only its hash, so this is the one
time it is shown. With --save it goes to a file that only its user can read, and is
not printed.`,
		Example: `  verdict key create mail-gateway --role decide --save gateway.key
  verdict key create reviewer --role review --ttl 2160h`,
		Args: takes(1, 1),
	}
	f := cmd.Flags()
	f.StringArrayVar(&roles, "role", nil, "what the key may do: "+strings.Join(roleNames(), ", ")+" (repeatable)")
	f.DurationVar(&ttl, "ttl", 0, "how long it is accepted, such as 2160h; without it until revoked")
	f.StringVar(&save, "save", "", "new file to write the key to")
	complete(cmd, "role", roleNames()...)
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := c.keyBody(args[0], roles, ttl, cmd.Flags().Changed("ttl"))
		if err != nil {
			return err
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		call := remote.Call{Method: http.MethodPost, Path: api.PathKeys, Body: bytes.NewReader(body)}
		if save != "" {
			return c.createAndSaveKey(cmd, client, call, save)
		}
		answer, err := client.Do(cmd.Context(), call)
		if err != nil {
			return err
		}
		return c.tellNewKey(answer.Body)
	}
	return cmd
}

func (c *cli) keyBody(name string, roles []string, ttl time.Duration, limited bool) ([]byte, error) {
	known := roleNames()
	if len(roles) == 0 {
		return nil, usage("a key needs at least one --role", "The roles are "+strings.Join(known, ", ")+"; `verdict key --help` says what each may do.")
	}
	for _, role := range roles {
		if !slices.Contains(known, role) {
			return nil, usage(fmt.Sprintf("%q is not a role%s", role, spell.DidYouMean(role, known)), "The roles are "+strings.Join(known, ", ")+".")
		}
	}
	request := api.KeyRequest{Name: name, Roles: roles}
	if limited {
		if ttl <= 0 {
			return nil, usage(fmt.Sprintf("--ttl is %s, so the key would never be accepted", ttl), "Write a duration such as 2160h.")
		}
		request.ExpiresAt = c.now().Add(ttl).UTC().Truncate(time.Second)
	}
	return ijson.Marshal(request)
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
func (c *cli) createAndSaveKey(cmd *cobra.Command, client *remote.Client, call remote.Call, path string) error {
	file, err := createOut(path, false)
	if err != nil {
		return err
	}
	answer, err := client.Do(cmd.Context(), call)
	if err != nil {
		return file.abort(err)
	}
	k, err := readNewKey(answer.Body)
	if err != nil {
		return file.abort(err)
	}
	if _, err := file.WriteString(k.Key + "\n"); err != nil {
		return keyLost(k, file.abort(err))
	}
	if err := file.commit(); err != nil {
		return keyLost(k, err)
	}
	document, err := withoutKey(answer.Body)
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
