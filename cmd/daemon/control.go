package daemon

import (
	"context"
	"os"
	"path/filepath"

	"github.com/oklog/ulid/v2"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/control"
	"github.com/verdict-pdp/verdict/decisionlog"
	"github.com/verdict-pdp/verdict/disk"
	"github.com/verdict-pdp/verdict/secret"
	"github.com/verdict-pdp/verdict/server/apikey"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/token"
	"github.com/verdict-pdp/verdict/tokenservice"
)

// openControl builds control, which makes every change.
func (d *Daemon) openControl(context.Context) (err error) {
	c := controlConfig(d.store, d.log)
	c.Credentials = d.credentials
	c.Policies = d.policies
	c.Judging = &control.Judging{
		Shadow: d.shadow,
		Evaluator: func(generation uint64) (authz.Evaluator, error) {
			policy, err := d.generation(generation)
			if err != nil {
				return nil, err // and not an evaluator that is a nil policy
			}
			return policy, nil
		},
		History: d.history,
	}
	c.TokenKeys = d.tokenKeys
	c.Guards = d.guards
	if d.config.TokenService.Issuer != "" {
		c.OwnIssuer = tokenservice.DefaultIssuerID
	}
	c.Now, c.After, c.Log = d.config.Now, d.config.After, d.config.Logger
	d.control, err = control.New(c)
	return err
}

// controlConfig is the configuration that a server and a command that opens the data
// directory itself have in common.
func controlConfig(data *store.Store, log *decisionlog.Log) control.Config {
	return control.Config{
		Store: data,
		Audit: log,
		Check: map[authz.Collection]func(authz.Entity) error{
			authz.Issuers:     func(e authz.Entity) error { return token.CheckIssuer(e.(*authz.Issuer)) },
			authz.Credentials: checkCredential,
		},
		MintKey: apikey.New,
		NewID:   func() string { return ulid.Make().String() },
	}
}

// checkCredential refuses material that proves nothing.
func checkCredential(e authz.Entity) error {
	c := e.(*authz.Credential)
	if c.SecretHash != "" {
		if err := secret.ValidateHash(c.SecretHash); err != nil {
			return authz.Invalid("secret_hash", err.Error())
		}
	}
	return token.CheckCredential(c)
}

// tokenKeys are the keys of the token service, nil when it is off.
func (d *Daemon) tokenKeys() control.TokenKeys {
	if d.issuing == nil {
		return nil
	}
	return d.issuing
}

// written is called for every entity that was written or deleted, before its write is
// acknowledged: cached answers of a changed issuer are not used any more.
func (d *Daemon) written(c authz.Collection, key string) {
	if c == authz.Issuers {
		d.introspector.Forget(key)
	}
}

// followWrites fetches the keys of every issuer that is written, however it is written.
func (d *Daemon) followWrites(ctx context.Context) error {
	d.control.Follow(ctx, d.followFrom, func(c authz.Collection, key string) {
		if c == authz.Issuers {
			d.verifier.Refresh(key)
		}
	}, func() {
		for _, issuer := range d.store.Issuers() {
			d.verifier.Refresh(issuer.ID)
		}
	})
	return nil
}

// makeFirstKeys makes the first API keys of a store that has none, each in a file.
func (d *Daemon) makeFirstKeys(ctx context.Context) error {
	return d.control.FirstKeys(ctx, func(id, text string) error {
		file := d.path(filepath.Join("keys", id+".key"))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		if err := disk.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			return err
		}
		d.Written = append(d.Written, file)
		return nil
	})
}
