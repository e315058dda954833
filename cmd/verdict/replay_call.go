package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

// call is the request for a replay: JSON, or a form when a bundle or records go along.
// closing closes what it is read from.
func (r *replayRun) call(c *cli, request api.ReplayRequest) (call remote.Call, closing closers, err error) {
	call = remote.Call{Method: http.MethodPost, Path: api.PathReplay}
	var bundle, records io.Reader
	if r.bundle != "" {
		opened, err := c.openBundle(r.bundle, r.name)
		if err != nil {
			return call, nil, err
		}
		request.Bundle, bundle, closing = opened.name, opened, append(closing, opened)
	}
	if r.records != "" {
		opened, _, err := c.openInput(r.records)
		if err != nil {
			return call, nil, errors.Join(err, closing.Close())
		}
		records, closing = opened, append(closing, opened)
	}
	body, err := ijson.Marshal(request)
	if err != nil {
		return call, nil, errors.Join(err, closing.Close())
	}
	if len(closing) == 0 {
		call.Body = bytes.NewReader(body)
		return call, nil, nil
	}
	f := newForm()
	f.part("request", api.TypeJSON, bytes.NewReader(body))
	f.part("bundle", typeBundle, bundle)
	f.part("records", api.TypeNDJSON, records)
	if call.Body, call.ContentType, err = f.end(); err != nil {
		return call, nil, errors.Join(err, closing.Close())
	}
	return call, closing, nil
}

// closers are closed together.
type closers []io.Closer

// Close closes all of them, the last first.
func (c closers) Close() error {
	var errs []error
	for i := len(c) - 1; i >= 0; i-- {
		errs = append(errs, c[i].Close())
	}
	return errors.Join(errs...)
}
