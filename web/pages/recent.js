// A set that forgets its oldest members past a bound.

export class Recent extends Set {
  add(value) {
    super.add(value);
    if (this.size > 500) this.delete(this.values().next().value);
    return this;
  }
}
