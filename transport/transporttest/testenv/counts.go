package testenv

import (
	"reflect"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
)

// Published fails the test for each field of a struct of counts that publish
// does not say to the observer. Fields are numbers, durations, one bool, and maps
// to numbers from strings.
func Published[S any](t *testing.T, publish func(metric.Observer, S)) {
	t.Helper()
	var s S
	value := int64(1000) // distinct for each field
	fields := make(map[int64]string)
	all := reflect.ValueOf(&s).Elem()
	for i := range all.NumField() {
		value++
		f, name := all.Field(i), all.Type().Field(i).Name
		fields[value] = name
		switch {
		case f.Kind() == reflect.Bool: // published as 1
			delete(fields, value)
			fields[1] = name
			f.SetBool(true)
			continue
		case f.Type() == reflect.TypeFor[time.Duration](): // published in seconds
			f.SetInt(value * int64(time.Second))
			continue
		case f.Kind() != reflect.Map:
			f.Set(reflect.ValueOf(value).Convert(f.Type()))
			continue
		}
		f.Set(reflect.MakeMap(f.Type()))
		f.SetMapIndex(reflect.ValueOf("key").Convert(f.Type().Key()), reflect.ValueOf(value).Convert(f.Type().Elem()))
	}
	o := &observed{values: make(map[int64]bool)}
	publish(o, s)
	for v, name := range fields {
		if !o.values[v] {
			t.Errorf("%s.%s is not published", all.Type(), name)
		}
	}
}

// observed is a metric.Observer that remembers values.
type observed struct {
	embedded.Observer
	values map[int64]bool
}

func (o *observed) ObserveInt64(_ metric.Int64Observable, v int64, _ ...metric.ObserveOption) {
	o.values[v] = true
}

func (o *observed) ObserveFloat64(_ metric.Float64Observable, v float64, _ ...metric.ObserveOption) {
	o.values[int64(v)] = true
}
