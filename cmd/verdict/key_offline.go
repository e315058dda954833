package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/cmd/daemon"
	"github.com/verdict-pdp/verdict/ijson"
)

// offlineKeys creates keys in the data directory of cmd, of any role: who may
// write there may do everything already. It holds the directory only while it
// creates one.
func (c *cli) offlineKeys(cmd *cobra.Command) (keyMaker, error) {
	loaded, err := c.config(cmd)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, request api.KeyRequest) (_ []byte, err error) {
		opened, err := c.openOffline(loaded.Config)
		if err != nil {
			return nil, err
		}
		answer, err := createKey(ctx, opened, request)
		return answer, errors.Join(err, opened.Close())
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
func createKey(ctx context.Context, in *daemon.Offline, request api.KeyRequest) ([]byte, error) {
	key := &authz.APIKey{Name: request.Name, ExpiresAt: request.ExpiresAt}
	for _, role := range request.Roles {
		key.Roles = append(key.Roles, authz.Role(role))
	}
	text, written, err := in.Control.CreateKey(ctx, in.Author, key)
	if err != nil {
		return nil, err
	}
	return ijson.Marshal(api.Key{
		ID:        key.ID,
		Name:      key.Name,
		Roles:     request.Roles,
		CreatedAt: written.Entity.Head().CreatedAt,
		ExpiresAt: key.ExpiresAt,
		Key:       text,
	})
}
