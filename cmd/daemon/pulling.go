package daemon

import (
	"context"
	"io"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/bundles"
	"github.com/verdict-pdp/verdict/generations"
	"github.com/verdict-pdp/verdict/sources"
)

// openPuller prepares to pull bundles: from the sources configured, and from the
// folder of the base policies.
func (d *Daemon) openPuller(context.Context) (err error) {
	var from []sources.Source
	if d.config.Policies != "" && d.config.PolicyFiles == nil {
		d.pulled = append(d.pulled, bundleSource{Name: authz.BaseBundle, Folder: d.config.Policies})
	}
	for _, s := range d.pulled {
		from = append(from, sources.Source{
			Name: s.Name, URL: s.URL, Folder: s.Folder, TokenFile: s.TokenFile,
			MinDelay: s.Interval, MaxDelay: 2 * s.Interval, LongPoll: s.LongPoll,
			MaxBytes:   d.config.Bundles.MaxSize,
			LastActive: d.policies.LastActive(s.Name),
		})
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
		if s.Name == name && !s.activates() {
			return false, nil
		}
	}
	_, err = d.control.ActivatePulled(ctx, name, made.Number, source)
	return err == nil, err
}
