package daemon

import (
	"context"
	"io"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/generations"
	"github.com/verdict-pdp/verdict/sources"
)

// openPuller prepares to pull bundles: from the sources configured, and from the
// folder of the base policies.
func (d *Daemon) openPuller(context.Context) (err error) {
	if d.config.Policies != "" && d.config.PolicyFiles == nil {
		base := sources.Source{Name: authz.BaseBundle, Folder: d.config.Policies, MaxBytes: d.config.Bundles.MaxSize}
		d.pulled = append(d.pulled, config.BundleSource{Source: base})
	}
	var from []sources.Source
	for _, s := range d.pulled {
		s.LastActive = d.policies.LastActive(s.Name)
		from = append(from, s.Source)
	}
	if len(from) == 0 {
		return nil
	}
	d.puller, err = sources.New(sources.Config{
		Sources: from,
		Push:    d.pull,
		Pack:    bundles.Pack,
		Now:     d.config.Now,
		Log:     d.config.Logger,
	})
	return err
}

// pull takes what a source gave through the gate, and makes it active unless its
// source is configured to wait for somebody.
func (d *Daemon) pull(ctx context.Context, name string, body io.Reader, source string) (activated bool, err error) {
	made, _, err := d.policies.Push(ctx, generations.Push{Name: name, Body: body, Source: source, Author: source, Message: "pulled from " + source})
	if err != nil || made.State == authz.GenerationActive {
		return err == nil, err
	}
	for _, s := range d.pulled {
		if s.Name == name && s.Candidate {
			return false, nil
		}
	}
	_, err = d.control.ActivatePulled(ctx, name, made.Number, source)
	return err == nil, err
}
