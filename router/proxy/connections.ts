/** Something that stands in one list. Its fields belong to that list. */
export interface Listed<Item> {
  before: Item | null;
  after: Item | null;
}

/**
 * Connections that are open. A linked list: a Set that takes and gives thousands a second keeps its dead alive, for each table that it outgrows stays linked to
 * the next, and once one of them is old all are.
 */
export class Connections<Item extends { readonly place: Listed<Item> }> {
  #first: Item | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(item: Item): void {
    item.place.after = this.#first;
    if (this.#first !== null) this.#first.place.before = item;
    this.#first = item;
    this.#size += 1;
  }

  /** Takes out what stands in it, once. */
  remove(item: Item): void {
    const { before, after } = item.place;
    if (before === null) this.#first = after;
    else before.place.after = after;
    if (after !== null) after.place.before = before;
    item.place.before = null;
    item.place.after = null;
    this.#size -= 1;
  }

  /** All that stand in it now; what is removed meanwhile does no harm. */
  all(): Item[] {
    const items: Item[] = [];
    for (let item = this.#first; item !== null; item = item.place.after) items.push(item);
    return items;
  }
}
