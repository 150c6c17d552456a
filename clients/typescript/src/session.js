/** The access token, and how to get the next one. */
export class Session {
  /** @type {string | null} */
  token;
  #login;
  /** @type {Promise<string | null> | null} */
  #renewing = null;

  /**
   * @param {string | null} token
   * @param {() => Promise<string | null>} login gives a new access token, or `null` where there is none to be had
   */
  constructor(token, login) {
    this.token = token;
    this.#login = login;
  }

  /**
   * A token in place of the one that was refused. Many may ask at once: there is one login.
   * @param {string | null} refused
   * @returns {Promise<string | null>}
   */
  async renew(refused) {
    if (!this.#renewing && this.token !== refused) return this.token;
    this.#renewing ??= this.#ask().finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  async #ask() {
    this.token = null;
    return (this.token = await this.#login());
  }
}
