import type { Shape } from './shape.ts';
import type { Token } from './shape-key.ts';

/** Where a walk stands. Most places are followed by one token only. */
export class ShapeNode {
  token: Token | undefined;
  next: ShapeNode | undefined;
  others: Map<Token, ShapeNode> | undefined;
  /** What a statement whose walk ends here is known as. */
  end: Shape | 'seen' | 'not cached' | undefined;
}

/** Long texts count for more than one place. */
const charactersPerPlace = 64;

/** The shapes met so far, by the tokens of their keys; compared by identity, so that nothing has to be hashed or written down. */
export class ShapeTrie {
  #root = new ShapeNode();
  #places = 0;

  get root(): ShapeNode {
    return this.#root;
  }

  get places(): number {
    return this.#places;
  }

  follow(node: ShapeNode, token: Token): ShapeNode {
    if (node.token === token) return node.next!;
    return this.#branch(node, token);
  }

  #branch(node: ShapeNode, token: Token): ShapeNode {
    const known = node.others?.get(token);
    if (known !== undefined) return known;
    const made = new ShapeNode();
    this.#places += typeof token === 'string' ? 1 + Math.floor(token.length / charactersPerPlace) : 1;
    if (node.token === undefined) {
      node.token = token;
      node.next = made;
    } else {
      node.others ??= new Map();
      node.others.set(token, made);
    }
    return made;
  }

  clear(): void {
    this.#root = new ShapeNode();
    this.#places = 0;
  }
}
